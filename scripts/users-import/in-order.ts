/** Work on several things at a time whose results are taken in their order. */

/**
 * Starts `work` on each thing of `source`, at most `parallel` at a time, and gives the results to `take` one after the other, in the order of
 * the things. Rejects with the first failure in that order, after everything before it was taken.
 */
export async function inOrder<Thing, Result>(
  source: AsyncIterable<Thing>,
  parallel: number,
  work: (thing: Thing) => Promise<Result>,
  take: (result: Result) => void,
): Promise<void> {
  const underWay: Promise<Result>[] = []
  const takeFirst = async () => {
    const first = underWay.shift()
    if (first !== undefined) take(await first)
  }
  for await (const thing of source) {
    const working = work(thing)
    // A failure is met when its turn comes. Until then Node must not take it for one that nobody handles.
    working.catch(() => {})
    underWay.push(working)
    if (underWay.length >= parallel) await takeFirst()
  }
  while (underWay.length > 0) await takeFirst()
}
