/**
 * Limits of time for parts that may stay silent, so that no request hangs. The work that timed out may still be done, later.
 */

/** A part did not answer in time. */
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
