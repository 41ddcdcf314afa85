/** Counts what became of the rows of a batch: each of them once. */

import { type Batch, type Refusal, refusalOf } from './batches.ts'
import type { Result } from './deliver.ts'
import type { Progress } from './progress-file.ts'

/** So many bad rows are named in the summary; the file has all. */
export const NAMED = 5

/** The bad rows of a batch in the order of the file: those that could not be sent, and those that the server refused. */
export function refusalsOf({ outgoing, refused }: Batch, results: readonly Result[]): readonly Refusal[] {
  const byServer = outgoing.flatMap(({ user, ...place }, i) => {
    const result = results[i]
    return result?.status === 'refused' ? [refusalOf(place, user, result.errors ?? { row: ['was refused'] })] : []
  })
  return [...refused, ...byServer].toSorted((a, b) => a.line - b.line || (a.row ?? 0) - (b.row ?? 0))
}

/** The progress after a batch, apart from what its files and clocks say. */
export function tally(
  progress: Progress,
  batch: Batch,
  results: readonly Result[],
  refusals: readonly Refusal[],
): Progress {
  const { rows, created, exists, refused, leftOut } = progress.counts
  const count = (status: Result['status']) => results.filter((result) => result.status === status).length
  return {
    ...progress,
    position: batch.next,
    counts: {
      rows: rows + batch.outgoing.length + batch.refused.length + batch.leftOut,
      created: created + count('created'),
      exists: exists + count('exists'),
      refused: refused + refusals.length,
      leftOut: leftOut + batch.leftOut,
    },
    first: [...progress.first, ...refusals].slice(0, NAMED),
  }
}
