/** What is made by whoever needs it first. */

/** A promise that is made by the first call; one that failed is forgotten, so that the next call makes another. */
export function once<Value>(make: () => Promise<Value>): () => Promise<Value> {
  let made: Promise<Value> | undefined
  return () => {
    made ??= make().catch((error: unknown) => {
      made = undefined
      throw error
    })
    return made
  }
}
