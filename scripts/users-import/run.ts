/**
 * `import`: brings accounts along from a file of any length. Several requests are under way at a time, and their results are counted in the
 * order of the file, so that everything before the place that is kept is done.
 */

import { setTimeout as sleep } from 'node:timers/promises'

import { explainRefusal, send, Unreachable } from '../users/client.ts'
import type { Context } from '../users/context.ts'
import { paintFor } from '../users/paint.ts'
import { EXIT, UsersProblem } from '../users/problem.ts'
import type { Target } from '../users/target.ts'
import { type Batch, readBatches } from './batches.ts'
import { deliver, type Patience, type Result, type Wire } from './deliver.ts'
import { inOrder } from './in-order.ts'
import { type Plan, readPlan } from './plan.ts'
import { createProgressBar, type ProgressBar } from './progress-bar.ts'
import { openProgress, type Progress, type ProgressFile } from './progress-file.ts'
import { openRejected, rejectedPath } from './rejected-file.ts'
import { summaryOf } from './summary.ts'
import { refusalsOf, tally } from './tally.ts'
import type { Unused } from './unused.ts'

/** For how long an import waits for an address that has never answered. */
const FIRST_PATIENCE_MS = 5000
/** Trouble is told of no more often than this. */
const TROUBLE_PAUSE_MS = 3000

/** Runs to the end of the file. Resolves to the exit code, which says whether rows were refused. */
export async function importUsers({ client, line, out }: Context): Promise<number> {
  const plan = await readPlan(line, process.env)
  const file = openProgress(plan.input, client.target.url, plan.identity)
  const bar = createProgressBar(process.stderr, paintFor(process.stderr, process.env), () => performance.now())
  const leave = () => {
    bar.end()
    file.release()
    console.error('Stopped. The same command goes on from there.')
    process.exit(EXIT.interrupted)
  }
  process.once('SIGINT', leave).once('SIGTERM', leave)
  try {
    const { counts, first, seconds } = await run(plan, client.target, file, bar)
    // The summary takes the place of the bar.
    bar.end()
    const { input, name, isDryRun } = plan
    const rejected = counts.refused > 0 ? rejectedPath(input.path, file.key, isDryRun) : null
    const { leftOut: left_out, created, exists, ...others } = counts
    const became = isDryRun ? { good: created } : { created, exists }
    out.one({ file: input.path, dry_run: isDryRun, ...became, ...others, left_out, rejected, seconds }, () =>
      summaryOf({ file: name, counts, first, rejected: rejectedPath(name, file.key, isDryRun), seconds, isDryRun }),
    )
    return counts.refused > 0 ? EXIT.refusedRows : EXIT.well
  } finally {
    bar.end()
    file.release()
    process.off('SIGINT', leave).off('SIGTERM', leave)
  }
}

/** Sends what a former run did not, and returns what all of them came to. Throws `UsersProblem`, with the place that was reached. */
async function run(plan: Plan, target: Target, file: ProgressFile, bar: ProgressBar): Promise<Progress> {
  const { input, isDryRun } = plan
  const former = plan.restart || isDryRun ? null : file.found
  const began: Progress = former ?? {
    identity: input.identity,
    position: input.begin,
    counts: { rows: 0, created: 0, exists: 0, refused: 0, leftOut: 0 },
    first: [],
    rejectedBytes: 0,
    seconds: 0,
  }
  announce(plan, file, former, bar)
  const rejected = openRejected(rejectedPath(input.path, file.key, isDryRun), began.rejectedBytes)
  const startedAt = performance.now()
  const wire = wireTo(target, bar)
  const patience: Patience = { limitMs: plan.patienceMs, firstLimitMs: FIRST_PATIENCE_MS, troubleSince: null }
  let progress = began

  async function deliverBatch(batch: Batch): Promise<{ batch: Batch; results: readonly Result[] }> {
    const lines = batch.outgoing.map(({ json }) => json)
    const results = isDryRun
      ? lines.map((_line, i): Result => ({ line: i + 1, status: 'created' }))
      : await deliver(wire, patience, lines)
    return { batch, results }
  }

  function take({ batch, results }: Awaited<ReturnType<typeof deliverBatch>>): void {
    const refusals = refusalsOf(batch, results)
    // Bad rows are written before the place behind them: a run that is killed in between cuts them off, and writes them again.
    const rejectedBytes = rejected.append(refusals)
    const seconds = (performance.now() - startedAt) / 1000
    progress = { ...tally(progress, batch, results, refusals), rejectedBytes, seconds: began.seconds + seconds }
    if (!isDryRun) file.keep(progress)
    sayUnused(plan.unused, bar)
    const { size } = input.identity
    bar.show({
      part: progress.position.offset / size,
      partOfRun: (progress.position.offset - began.position.offset) / size,
      rows: progress.counts.rows,
      rowsOfRun: progress.counts.rows - began.counts.rows,
      refused: progress.counts.refused,
      seconds,
    })
  }

  try {
    await inOrder(readBatches(input, began.position, plan.map), plan.parallel, deliverBatch, take)
  } catch (error) {
    if (!(error instanceof UsersProblem)) throw error
    throw new UsersProblem(
      `${error.message} Stopped behind row ${progress.position.rows}: the same command goes on from there.`,
    )
  } finally {
    rejected.close()
  }
  if (!isDryRun) file.finish()
  return progress
}

/** Says where a run begins, and what of the file it does not take. */
function announce(
  { name, unused, isDryRun }: Plan,
  file: ProgressFile,
  former: Progress | null,
  bar: ProgressBar,
): void {
  if (former !== null) bar.say(`Goes on behind row ${former.position.rows}, which a former run reached.`)
  else if (file.hasChanged && !isDryRun) bar.say(`${name} has changed since a former run: begins with its first row.`)
  sayUnused(unused, bar)
}

function sayUnused(unused: Unused, bar: ProgressBar): void {
  const names = unused.tell()
  if (names.length > 0) bar.say(`Not brought along: ${names.join(', ')}. --map COLUMN=claims.NAME would.`)
}

function wireTo(target: Target, bar: ProgressBar): Wire {
  let saidAt = -Infinity
  const headers = { 'Content-Type': 'application/x-ndjson' }
  return {
    post: (body) => send(target, 'POST', '/users/import', { headers, body }),
    explain: (response, text) => explainRefusal(target, response, text),
    sleep: (milliseconds) => sleep(milliseconds),
    now: () => performance.now(),
    random: Math.random,
    onTrouble(error, pause) {
      // Of several batches under way each meets the same trouble.
      if (performance.now() - saidAt < TROUBLE_PAUSE_MS) return
      saidAt = performance.now()
      const reason = error instanceof Unreachable ? error.reason : error.message.replace(/\.$/, '')
      bar.say(`${reason}: once more in ${Math.ceil(pause / 1000)} s.`)
    },
  }
}
