/**
 * `npm run bench`: what Tessera costs beside what the platform costs. Tessera and its floors run in one workerd process
 * each, asked on direct sockets, interleaved in rounds, so that whatever the machine does meanwhile it does to all.
 * What counts is the CPU that a workerd process takes for an operation, against that of the floor in the same round.
 *
 * `--quick` takes about a minute, and says where it did less. `--before CHECKOUT` measures the Tessera of another commit, too. A wrong answer ends the run with exit code 1; a missed
 * target does not. Linux only: it reads /proc.
 */

import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { cpus, release, totalmem, type } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'

import { createLocalJWKSet, decodeJwt, jwtVerify } from 'jose'

import { root } from '../scripts/wrangler.ts'
import { type Bundle, coreKiB } from './build.ts'
import type { RunResult } from './client.ts'
import { cpuBetween, machineBusy, readCpu, residentMiB } from './cpu.ts'
import { startCpuMs, writeConfig } from './import-cost.ts'
import { inspectHeap } from './heap.ts'
import { type Load, startLoad } from './load.ts'
import type { Work } from './operations.ts'
import { plot } from './plot.ts'
import { type Machine, type OperationRow, renderReport, type RunReport, type TargetRow } from './report.ts'
import { prepareDatabase } from './seed.ts'
import { type Spread, spread } from './statistics.ts'
import { buildBundles, sizeLabel, startSubjects, type Subject, type Subjects } from './subjects.ts'

const { values: options } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    only: { type: 'string' },
    out: { type: 'string' },
    before: { type: 'string' },
  },
})

/** Many short samples, so that an operation and its floor meet the same moments of the machine. */
const SCALE = options.quick
  ? {
      rounds: 7,
      seconds: 0.15,
      warmSeconds: 0.5,
      starts: 5,
      manySessions: 100_000,
      warmOperations: 10_000,
      operations: 20_000,
    }
  : {
      rounds: 25,
      seconds: 0.4,
      warmSeconds: 1.5,
      starts: 25,
      manySessions: 1_000_000,
      warmOperations: 20_000,
      operations: 200_000,
    }

/** CPU that other programs may take beside a sample, as a share of one core, before it is taken again. */
const DISTURBANCE = 0.1
const RETAKES = 3
/** The retakes of all samples together, so that a run on a busy machine ends. The report says how many there were. */
const ALL_RETAKES = 100
/** The mix of operations of a service: many refreshes for every sign-in, and many verifications for every refresh. */
const MIX: Readonly<Record<Work['kind'], number>> = {
  verify: 780,
  refresh: 130,
  cookies: 60,
  issue: 29,
  device: 0,
  'sign-in': 1,
  rotate: 0,
  text: 0,
}
const MIXED = Object.values(MIX).reduce((sum, times) => sum + times, 0)

interface Sample extends RunResult {
  readonly cpuMs: number
  readonly isDisturbed: boolean
}

const directory = join(root, '.wrangler/bench')
rmSync(join(directory, 'run'), { recursive: true, force: true })
mkdirSync(directory, { recursive: true })

const started = performance.now()
const load = startLoad()
let servers: readonly Subject['server'][] = []
let retaken = 0
try {
  await main()
} finally {
  load.stop()
  await Promise.all(servers.map((server) => server.stop()))
}

async function main(): Promise<void> {
  log('bundling')
  const bundles = await buildBundles(directory, options.before)
  const only = options.only?.split(',')
  // Starts are measured before any server runs, since they are short, and a server beside them would disturb them.
  const imported = only === undefined ? await importCost(bundles.floors.text, bundles.tessera) : null
  const { all, inspected } = await startSubjects({
    directory,
    bundles,
    manySessions: SCALE.manySessions,
    prepareDatabase: (worker, sessions, checkout) => prepareDatabase(directory, worker, sessions, checkout),
    log,
  })
  servers = [...new Set([...all, ...inspected.subjects].map((subject) => subject.server))]
  const unknown = only?.filter((key) => all.every((subject) => subject.key !== key)) ?? []
  if (unknown.length > 0) {
    throw new Error(`--only ${unknown.join()}: there are ${all.map(({ key }) => key).join()}`)
  }
  const subjects = all.filter(({ key }) => only === undefined || only.includes(key))

  for (const { key, server, connections, work } of subjects) await load.prepare(key, server.port, connections, work)
  log('warming up')
  for (const { key } of subjects) await load.warm(key, SCALE.warmSeconds)

  const samples = new Map<string, Sample[]>(subjects.map(({ key }) => [key, []]))
  for (let round = 0; round < SCALE.rounds; round += 1) {
    log(`round ${round + 1} of ${SCALE.rounds}`)
    // Every other round runs backwards, so that a Worker does not always follow the same one.
    for (const subject of round % 2 === 0 ? subjects : subjects.toReversed()) {
      samples.get(subject.key)?.push(await takeQuietly(load, subject))
    }
  }
  for (const subject of subjects) await checkPairs(subject)

  const operations = subjects.map((subject) => summarize(subject, samples.get(subject.key) ?? []))
  const targets = ratios(samples)
  if (imported !== null) {
    targets.push(single('core of the bundle, gzip', 'without wasm', coreKiB(bundles.tessera), 'KiB', 66), imported)
    targets.push(...(await watchMemory(inspected)))
  }

  const report: RunReport = {
    at: new Date().toISOString().slice(0, 10),
    quick: options.quick,
    machine: machine(),
    rounds: SCALE.rounds,
    secondsPerSample: SCALE.seconds,
    retaken,
    disturbed: [...samples.values()].flat().filter((sample) => sample.isDisturbed).length,
    notes: [
      ...(options.quick
        ? [
            `quick: ${count(SCALE.manySessions)} sessions in the large table, ${count(SCALE.operations)} operations for the memory; the full run takes 1,000,000 and 200,000`,
          ]
        : []),
      ...(options.before === undefined ? [] : [`before: commit ${commitOf(options.before)}, over its own schema`]),
    ],
    operations,
    targets,
  }
  publish(report)
  log('done')
}

/** One sample of one Worker, taken again while other programs use the machine; the quietest one counts. */
async function takeQuietly(client: Load, subject: Subject): Promise<Sample> {
  let best: (Sample & { disturbance: number }) | undefined
  for (let attempt = 0; attempt <= RETAKES; attempt += 1) {
    const sample = await take(client, subject)
    if (best === undefined || sample.disturbance < best.disturbance) best = sample
    if (!best.isDisturbed || attempt === RETAKES || retaken === ALL_RETAKES) break
    retaken += 1
  }
  if (best === undefined) throw new Error('no sample')
  return best
}

async function take(client: Load, { key, server, connections }: Subject): Promise<Sample & { disturbance: number }> {
  const warm = await client.warm(key, SCALE.seconds / 5)
  const operations = Math.max(4 * connections, Math.round((warm.operations / warm.seconds) * SCALE.seconds))
  const pids = [server.pid, client.pid, process.pid]

  const busy = machineBusy()
  const before = pids.map(readCpu)
  const result = await client.run(key, operations)
  const after = pids.map(readCpu)
  const spent = machineBusy() - busy

  const [own = 0, ...rest] = before.map((reading, i) => cpuBetween(reading, after[i] ?? reading))
  const others = spent - own - rest.reduce((sum, cpu) => sum + cpu, 0)
  const disturbance = others / (result.seconds * 1000)
  return { ...result, cpuMs: own / result.operations, isDisturbed: disturbance > DISTURBANCE, disturbance }
}

/** Checks the last pair of every connection: its signature, and that both tokens are of one session and one `jti`. */
async function checkPairs({ key, mint }: Subject): Promise<void> {
  const keys = createLocalJWKSet({ keys: [{ ...mint.jwk, alg: 'ES256' }] })
  for (const { access, refresh } of await load.sample(key)) {
    const { payload } = await jwtVerify(access, keys, { algorithms: ['ES256'] })
    const other = decodeJwt(refresh)
    if (payload.jti !== other.jti || payload['sid'] !== other['sid']) throw new Error(`${key}: tokens of two pairs`)
  }
}

function summarize({ key, label }: Subject, samples: readonly Sample[]): OperationRow {
  const median = (of: (sample: Sample) => number) => spread(samples.map(of)).median
  return {
    key,
    label,
    operationsPerSecond: median(({ operations, seconds }) => operations / seconds),
    p50Ms: median(({ p50Ms }) => p50Ms),
    p99Ms: median(({ p99Ms }) => p99Ms),
    cpuMs: spread(samples.map(({ cpuMs }) => cpuMs)),
  }
}

function ratios(samples: ReadonlyMap<string, readonly Sample[]>): TargetRow[] {
  const rows: readonly (readonly [what: string, key: string, against: string, floor: string, limit: number | null])[] =
    [
      ['POST /auth/token/verify', 'verify', 'F2', 'F2', 1.05],
      ['POST /auth/token/refresh', 'refresh', 'F4', 'F4', 1.1],
      ['GET /refresh', 'cookies', 'F4', 'F4', 1.1],
      ['GET /refresh', 'cookies', 'F4 in cookies + ES256 verify', 'F4c', null],
      ['POST /refresh/device', 'device', 'F4 in cookies + ES256 verify', 'F4c', null],
      ['POST /refresh/device', 'device', 'GET /refresh', 'cookies', null],
      ['GET /{guid}', 'issue', 'two statements, both signatures', 'FG', 1.15],
      ['POST /auth/token', 'sign-in', 'F5 + two round trips, both signatures', 'F5s', 1.05],
      ['POST /auth/token', 'sign-in', 'F5', 'F5', null],
      [sizeLabel(SCALE.manySessions), 'many', '1,000 sessions', 'few', 1.1],
      ['POST /auth/token/verify', 'verify', 'before', 'verify-before', null],
      ['POST /auth/token/refresh', 'refresh', 'before', 'refresh-before', null],
    ]
  return rows.flatMap(([what, key, against, floor, limit]): TargetRow[] => {
    const own = samples.get(key)
    const base = samples.get(floor)
    if (own === undefined || base === undefined) return []
    const over = (of: (a: number, b: number) => number) =>
      spread(own.map(({ cpuMs }, round) => of(cpuMs, base[round]?.cpuMs ?? Number.NaN)))
    return [{ what, against, value: over((a, b) => a / b), beyondMs: over((a, b) => a - b).median, unit: '×', limit }]
  })
}

async function importCost(hono: Bundle, tessera: Bundle): Promise<TargetRow> {
  log('starting workerd again and again')
  const configs = [hono, tessera].map((bundle) => writeConfig(bundle, join(directory, 'run', `import-${bundle.name}`)))
  const starts: number[][] = []
  for (let i = 0; i < SCALE.starts; i += 1) {
    const pair: number[] = []
    for (const config of configs) pair.push(await startCpuMs(config))
    starts.push(pair)
  }
  const beyond = spread(starts.map(([bare = 0, own = 0]) => own - bare))
  return {
    what: 'CPU to import the bundle',
    against: 'bare Hono',
    value: beyond,
    beyondMs: null,
    unit: 'ms',
    limit: 15,
  }
}

/** How the memory of a warm, inspected Tessera grows: that of its isolate, and that of the whole process. */
async function watchMemory({ subjects, inspectorPort }: Subjects['inspected']) {
  const [subject] = subjects
  if (subject === undefined) throw new Error('nothing to inspect')
  const { server } = subject
  for (const { key, connections, work } of subjects) await load.prepare(key, server.port, connections, work)
  const heap = await inspectHeap(inspectorPort, server.name)
  const read = async (operations: number) => {
    for (let done = 0; done < operations; done += MIXED) {
      for (const { key, work } of subjects) await load.run(key, MIX[work.kind])
    }
    return { resident: residentMiB(server.pid), live: await heap.liveMiB(() => load.run(subject.key, 16)) }
  }

  log(`${count(SCALE.warmOperations)} mixed operations to get warm`)
  const few = await read(SCALE.warmOperations)
  log(`${count(SCALE.operations)} mixed operations`)
  const many = await read(SCALE.operations - SCALE.warmOperations)
  heap.close()
  const compare = (what: string, from: number, to: number) =>
    single(
      `${what} after ${count(SCALE.operations)} mixed operations, ${to.toFixed(1)} MiB`,
      `${from.toFixed(1)} MiB after ${count(SCALE.warmOperations)}`,
      to / from,
      '×',
      1.02,
    )
  return [
    compare('live JavaScript heap', few.live, many.live),
    compare('memory of the process', few.resident, many.resident),
  ]
}

function count(operations: number): string {
  return operations.toLocaleString('en')
}

function single(
  what: string,
  against: string,
  value: number,
  unit: TargetRow['unit'],
  limit: number | null,
): TargetRow {
  const exact: Spread = { median: value, low: value, high: value }
  return { what, against, value: exact, beyondMs: null, unit, limit }
}

function commitOf(checkout: string): string {
  return execFileSync('git', ['-C', checkout, 'rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).trim()
}

function machine(): Machine {
  const require = createRequire(import.meta.url)
  const { version } = require('workerd/package.json') as { version: string }
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: cpus().length,
    memoryGiB: totalmem() / 2 ** 30,
    kernel: `${type()} ${release().split('-')[0] ?? ''}`,
    node: process.versions.node,
    workerd: version,
  }
}

/** Only a whole, full run replaces the results that are kept with the source, and the table in docs/performance.md. */
function publish(report: RunReport): void {
  const text = renderReport(report)
  const isKept = !report.quick && options.only === undefined && options.out === undefined
  const results = options.out ?? join(isKept ? join(root, 'bench') : directory, 'results')
  mkdirSync(results, { recursive: true })
  writeFileSync(join(results, 'last.json'), `${JSON.stringify(report, null, 2)}\n`)
  writeFileSync(
    join(results, 'last.svg'),
    plot(report.operations, (row) => row.key.startsWith('F')),
  )
  if (isKept) replaceTable(join(root, 'docs/performance.md'), text)
  console.log(`\n${text}\n\nJSON and plot: ${results}`)
}

function replaceTable(file: string, text: string): void {
  const [start, end] = ['<!-- last run -->\n', '<!-- end of last run -->']
  const page = readFileSync(file, 'utf8')
  const [from, to] = [page.indexOf(start), page.indexOf(end)]
  if (from < 0 || to < from) throw new Error(`no place for the table in ${file}`)
  writeFileSync(file, `${page.slice(0, from)}${start}\n${text}\n\n${page.slice(to)}`)
}

function log(text: string): void {
  console.error(`${((performance.now() - started) / 1000).toFixed(0).padStart(4)} s  ${text}`)
}
