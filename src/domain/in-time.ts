/**
 * Nothing hangs: whoever waits for a part that may stay silent waits so long and no longer. What was asked for may
 * happen all the same, and later.
 */

/** What a part said that was waited for: nothing. */
export class NoAnswer extends Error {
  override readonly name = 'NoAnswer'
}

/** The result, if it comes within `milliseconds`. Throws `NoAnswer`, or what the part itself threw. */
export async function inTime<Result>(result: Promise<Result>, milliseconds: number): Promise<Result> {
  let timer: ReturnType<typeof setTimeout> | undefined
  const silence = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      reject(new NoAnswer(`after ${milliseconds} ms`))
    }, milliseconds)
  })
  try {
    return await Promise.race([result, silence])
  } finally {
    clearTimeout(timer)
  }
}
