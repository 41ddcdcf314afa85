/** What is made, or loaded, by whoever needs it first. */

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

/** A store that is loaded by the first call of one of its methods. */
export function deferred<Store extends Methods<Store>>(load: () => Promise<Store>): Store {
  const loaded = once(load)
  const handler: ProxyHandler<Store> = {
    get:
      (_target, name) =>
      async (...values: readonly never[]) => {
        const store: Readonly<Record<PropertyKey, (...values: readonly never[]) => Promise<unknown>>> = await loaded()
        return store[name]?.(...values)
      },
  }
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- all that is read of it is a method, which the handler makes
  return new Proxy({} as Store, handler)
}

type Methods<Store> = { readonly [Name in keyof Store]: (...values: never[]) => Promise<unknown> }
