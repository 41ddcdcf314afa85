/** How `npm run users -- import` sends its rows: each is answered for once, in the order of the file, whatever the server and the network do. */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import * as fc from 'fast-check'
import { afterAll, describe, expect, test } from 'vitest'

import { type Batch, MAX_BYTES, MAX_LINES, readBatches } from '../../../scripts/users-import/batches.ts'
import { deliver, type Patience, type Result, type Wire } from '../../../scripts/users-import/deliver.ts'
import { inOrder } from '../../../scripts/users-import/in-order.ts'
import { openInput } from '../../../scripts/users-import/input.ts'
import type { Mapped } from '../../../scripts/users-import/mapping.ts'
import { barOf, createProgressBar, durationOf, wordsOf } from '../../../scripts/users-import/progress-bar.ts'
import type { Progress } from '../../../scripts/users-import/progress-file.ts'
import { openRejected, rejectedPath } from '../../../scripts/users-import/rejected-file.ts'
import { lineOf, summaryOf } from '../../../scripts/users-import/summary.ts'
import { refusalsOf, tally } from '../../../scripts/users-import/tally.ts'
import { Unreachable } from '../../../scripts/users/client.ts'
import { plain } from '../../../scripts/users/paint.ts'

const folder = mkdtempSync(join(tmpdir(), 'tessera-deliver-'))
afterAll(() => rmSync(folder, { recursive: true }))

/** A server that fails as it is told, and answers every line with what it says. */
function wire(fail: (lines: readonly string[], request: number) => Response | Error | null) {
  const requests: (readonly string[])[] = []
  const pauses: number[] = []
  let now = 0
  const of: Wire = {
    async post(body) {
      const lines = body.trimEnd().split('\n')
      requests.push(lines)
      const failure = fail(lines, requests.length)
      if (failure instanceof Error) throw failure
      return failure ?? Response.json({ results: lines.map((line, i) => ({ line: i + 1, status: line })) })
    },
    explain: (response, text) => new Error(`${response.status} ${text}`),
    async sleep(milliseconds) {
      pauses.push(milliseconds)
      now += milliseconds
    },
    now: () => now,
    random: () => 1,
    onTrouble: () => {},
  }
  return { of, requests, pauses }
}

const patient = (): Patience => ({ limitMs: 300_000, firstLimitMs: 5000, troubleSince: null })
const GONE = new Unreachable(
  { url: 'http://localhost:1', key: '', isLocal: true, keySource: '' },
  new Error('connect ECONNREFUSED'),
)
const busy = (retryAfter?: string) =>
  new Response('', { status: 503, headers: retryAfter === undefined ? {} : { 'Retry-After': retryAfter } })
const statuses = (results: readonly Result[]) => results.map(({ status }) => status)

describe('a batch', () => {
  test('is sent once where it is answered', async () => {
    const { of, requests } = wire(() => null)
    expect(statuses(await deliver(of, patient(), ['created', 'exists', 'refused']))).toEqual([
      'created',
      'exists',
      'refused',
    ])
    expect(requests).toHaveLength(1)
    expect(await deliver(of, patient(), [])).toEqual([])
    expect(requests).toHaveLength(1)
  })

  test.each([
    ['nothing answers', () => GONE],
    ['the server is busy', () => busy()],
    ['too much was asked', () => new Response('', { status: 429 })],
    ['the server fails', () => new Response('', { status: 500 })],
  ])('is sent again where %s, after longer and longer pauses', async (_name, failure) => {
    const { of, pauses } = wire((_lines, request) => (request <= 4 ? failure() : null))
    const patience = patient()
    expect(statuses(await deliver(of, patience, ['created']))).toEqual(['created'])
    expect([pauses, patience.troubleSince]).toEqual([[500, 1000, 2000, 4000], null])
  })

  test('waits as long as Retry-After says', async () => {
    const { of, pauses } = wire((_lines, request) =>
      request === 1 ? busy('7') : request === 2 ? busy('Sun, 29 Nov 2026 17:00:00 GMT') : null,
    )
    await deliver(of, patient(), ['created'])
    expect(pauses).toEqual([7000, 1000])
  })

  test('that is too much for the Worker is sent in halves, down to the row that it fails at', async () => {
    const { of } = wire((lines) => (lines.length > 3 ? busy() : null))
    const lines = Array.from({ length: 11 }, (_, i) => (i % 2 === 0 ? 'created' : 'exists'))
    expect(statuses(await deliver(of, patient(), lines))).toEqual(lines)
  })

  test('is given up after long trouble, in which nothing succeeded', async () => {
    const { of, pauses } = wire(() => busy())
    await expect(deliver(of, { ...patient(), limitMs: 60_000 }, ['created'])).rejects.toThrow('The server answers 503.')
    const waited = pauses.reduce((sum, pause) => sum + pause, 0)
    expect(waited).toBeGreaterThanOrEqual(60_000)
    expect(waited).toBeLessThan(120_000)
  })

  test('is given up soon where nothing has ever answered, and late where something has', async () => {
    const silent = wire(() => GONE)
    await expect(deliver(silent.of, patient(), ['created'])).rejects.toThrow('is `npm start` running?')
    expect(silent.of.now()).toBeLessThan(15_000)
    const broken = wire((_lines, request) => (request === 1 ? null : GONE))
    const patience = patient()
    await deliver(broken.of, patience, ['created'])
    await expect(deliver(broken.of, patience, ['created'])).rejects.toThrow(GONE)
    expect(broken.of.now()).toBeGreaterThanOrEqual(300_000)
  })

  test('is given up at once where another try cannot help', async () => {
    const { of, requests } = wire(() => new Response('no', { status: 403 }))
    await expect(deliver(of, patient(), ['created'])).rejects.toThrow('403 no')
    expect(requests).toHaveLength(1)
  })

  test.each([
    ['lacks a line', { results: [{ line: 1, status: 'created' }] }],
    [
      'names a line twice',
      {
        results: [
          { line: 1, status: 'created' },
          { line: 1, status: 'created' },
        ],
      },
    ],
    [
      'has a word that is not known',
      {
        results: [
          { line: 1, status: 'created' },
          { line: 2, status: 'perhaps' },
        ],
      },
    ],
    ['is none', 'x'],
  ])('whose answer %s is counted as nothing', async (_name, body) => {
    const { of } = wire(() => Response.json(body))
    await expect(deliver(of, patient(), ['created', 'created'])).rejects.toThrow(
      'in another form than this version knows',
    )
  })
})

describe('several at a time', () => {
  test('are taken in their order, never more than so many at once, and nothing behind a failure', async () => {
    const cases = fc.record({
      delays: fc.array(fc.integer({ min: 0, max: 3 }), { maxLength: 12 }),
      parallel: fc.integer({ min: 1, max: 4 }),
      failsAt: fc.option(fc.nat(12), { nil: -1 }),
    })
    await fc.assert(
      fc.asyncProperty(cases, async ({ delays, parallel, failsAt }) => {
        const taken: number[] = []
        let atOnce = 0
        let most = 0
        async function* source() {
          yield* delays.keys()
        }
        const work = async (i: number) => {
          most = Math.max(most, ++atOnce)
          for (let turn = 0; turn < (delays[i] ?? 0); turn++) await Promise.resolve()
          atOnce--
          if (i === failsAt) throw new Error('failed')
          return i
        }
        const done = inOrder(source(), parallel, work, (i) => void taken.push(i))
        const willFail = failsAt >= 0 && failsAt < delays.length
        if (willFail) await expect(done).rejects.toThrow('failed')
        else await done
        expect(taken).toEqual([...delays.keys()].slice(0, willFail ? failsAt : delays.length))
        expect(most).toBeLessThanOrEqual(parallel)
      }),
    )
  })
})

function refuseBad(row: Readonly<Record<string, unknown>>): Mapped {
  return row['bad'] === true ? { user: row, errors: { row: ['bad'] } } : { user: row }
}

describe('batches', () => {
  test('hold at most 500 rows and 512 KiB, and every row is in one, in the order of the file', async () => {
    const path = join(folder, 'batches.jsonl')
    const rows = Array.from({ length: 1700 }, (_, i) => ({
      email: `${i}@example.com`,
      note: i % 3 === 0 ? 'x'.repeat(4000) : '',
      bad: i % 7 === 0,
    }))
    writeFileSync(path, rows.map((row) => JSON.stringify(row)).join('\n'))
    const input = await openInput(path, {})
    const batches = await Array.fromAsync(readBatches(input, input.begin, refuseBad))
    const sizes = batches.map(({ outgoing }) =>
      outgoing.reduce((sum, { json }) => sum + Buffer.byteLength(json) + 1, 0),
    )
    expect(Math.max(...sizes)).toBeLessThanOrEqual(MAX_BYTES)
    expect(Math.max(...batches.map(({ outgoing }) => outgoing.length))).toBeLessThanOrEqual(MAX_LINES)
    const lines = batches.map(({ outgoing, refused }) =>
      [...outgoing, ...refused].map(({ line }) => line).toSorted((a, b) => a - b),
    )
    expect(lines.flat()).toEqual(rows.map((_row, i) => i + 1))
    // A run that goes on behind any of them reads what the others hold.
    for (const [i, { next }] of batches.entries()) {
      expect(await Array.fromAsync(readBatches(input, next, refuseBad))).toEqual(batches.slice(i + 1))
    }
  })
})

describe('a batch of bad rows', () => {
  test.each<[string, Mapped]>([
    ['refused', { errors: { row: ['bad'] }, user: {} }],
    ['left out', { leftOut: true }],
  ])('ends after 5,000 rows that are %s, so that a run that is stopped there goes on there', async (_what, mapped) => {
    const path = join(folder, 'many.jsonl')
    writeFileSync(path, '{}\n'.repeat(12_000))
    const input = await openInput(path, {})
    const batches = await Array.fromAsync(readBatches(input, input.begin, () => mapped))
    expect(batches.map(({ next }) => next.rows)).toEqual([5000, 10_000, 12_000])
  })

  test('has an account that is longer than any may be, and the one of 64 KiB is sent', async () => {
    const path = join(folder, 'long.jsonl')
    const sizes = [65_535, 65_537]
    writeFileSync(path, `${sizes.map((bytes) => `{"a":"x${'é'.repeat((bytes - 9) / 2)}"}`).join('\n')}\n{"a":1}`)
    const input = await openInput(path, {})
    const [batch] = await Array.fromAsync(readBatches(input, input.begin, refuseBad))
    expect([batch?.outgoing.map(({ line }) => line), batch?.refused]).toEqual([
      [1, 3],
      [{ line: 2, errors: { row: ['is longer than any account may be'] } }],
    ])
  })

  test('of an array names them by their number, too: all of them may stand in one line', async () => {
    const path = join(folder, 'array.json')
    writeFileSync(path, '[{"a":1},null,{"bad":true},{"a":2}]')
    const input = await openInput(path, {})
    const [batch] = await Array.fromAsync(readBatches(input, input.begin, refuseBad))
    if (batch === undefined) throw new Error('no batch')
    const refusals = refusalsOf(batch, [
      { line: 1, status: 'created' },
      { line: 2, status: 'refused', errors: { primary_email: ['is taken'] } },
    ])
    expect(refusals.map(lineOf)).toEqual([
      'line 1, row 2: is no object of the array',
      'line 1, row 3: bad',
      'line 1, row 4: primary_email is taken',
    ])
  })
})

const PROGRESS: Progress = {
  identity: { size: 1, mtimeMs: 1, start: '' },
  position: { offset: 0, line: 1, rows: 0 },
  counts: { rows: 0, created: 0, exists: 0, refused: 0, leftOut: 0 },
  first: [],
  rejectedBytes: 0,
  seconds: 0,
}

const BATCH: Batch = {
  outgoing: [2, 3, 5].map((line) => ({
    line,
    user: { primary_email: `${line}@example.com`, password_hash: 'secret' },
    json: '',
  })),
  refused: [{ line: 4, errors: { row: ['is no JSON'] } }],
  leftOut: 2,
  next: { offset: 100, line: 8, rows: 6 },
}
const RESULTS: readonly Result[] = [
  { line: 1, status: 'created' },
  { line: 2, status: 'refused', errors: { primary_email: ['is taken'] } },
  { line: 3, status: 'exists' },
]

describe('the count', () => {
  test('has each row once, and names bad ones by their line and their address, never by their hash', () => {
    const refusals = refusalsOf(BATCH, RESULTS)
    expect(refusals).toEqual([
      { line: 3, primary_email: '3@example.com', errors: { primary_email: ['is taken'] } },
      { line: 4, errors: { row: ['is no JSON'] } },
    ])
    const { counts, position, first } = tally(PROGRESS, BATCH, RESULTS, refusals)
    expect(counts).toEqual({ rows: 6, created: 1, exists: 1, refused: 2, leftOut: 2 })
    expect([position, first]).toEqual([BATCH.next, refusals])
  })

  test('is said in a few lines', () => {
    const counts = { rows: 100_000, created: 99_990, exists: 7, refused: 2, leftOut: 1 }
    const first = refusalsOf(BATCH, RESULTS)
    expect(
      summaryOf({
        file: 'users.csv',
        counts,
        first,
        rejected: 'users.csv.rejected.jsonl',
        seconds: 80,
        isDryRun: false,
      }).split('\n'),
    ).toEqual([
      'users.csv: 100,000 rows in 1 min 20 s',
      '  99,990 created',
      '       7 exist already, and stay as they are',
      '       1 left out: deleted there',
      '       2 refused, each named in users.csv.rejected.jsonl',
      '          line 3: primary_email is taken',
      '          line 4: is no JSON',
    ])
  })
})

test('a bad row cannot move the cursor of the terminal that it is told on', () => {
  expect(lineOf({ line: 2, errors: { 'group\u001b[2J': ['is \u202eno text'] } })).toBe(
    'line 2: group\ufffd[2J is \ufffdno text',
  )
})

describe('the file of bad rows', () => {
  test('is cut to what was counted when a run goes on, is for its owner alone, and is not there without bad rows', () => {
    const path = join(folder, 'a.jsonl')
    const read = () => readFileSync(path, 'utf8')
    const first = openRejected(path, 0)
    const length = first.append([{ line: 1, errors: { row: ['bad'] } }])
    first.append([{ line: 2, errors: { row: ['not counted before the kill'] } }])
    first.close()
    const second = openRejected(path, length)
    expect(second.append([{ line: 2, errors: { row: ['bad, too'] } }])).toBe(read().length)
    second.close()
    expect(read()).toBe('{"line":1,"errors":{"row":["bad"]}}\n{"line":2,"errors":{"row":["bad, too"]}}\n')
    openRejected(path, 0).close()
    expect(read).toThrow('ENOENT')
  })

  test('that is not there as it was left ends the run, before a row is in no list, and says how to go on', () => {
    const path = join(folder, 'moved.jsonl')
    const words = /moved\.jsonl is not there as a former run left it: put it back, or say --restart/
    expect(() => openRejected(path, 7)).toThrow(words)
    writeFileSync(path, '{"li')
    expect(() => openRejected(path, 7)).toThrow(words)
    expect(readFileSync(path, 'utf8')).toBe('{"li')
  })

  test('is another one for each import of a file, and for a check', () => {
    const paths = [
      rejectedPath('a.csv', '0123456789abcdef', false),
      rejectedPath('a.csv', '1123456789abcdef', false),
      rejectedPath('a.csv', '0123456789abcdef', true),
    ]
    expect(paths).toEqual([
      'a.csv.rejected-01234567.jsonl',
      'a.csv.rejected-11234567.jsonl',
      'a.csv.checked-01234567.jsonl',
    ])
  })
})

describe('the progress', () => {
  const moment = { part: 0.63, rows: 63_000, refused: 3, rowsOfRun: 31_500, partOfRun: 0.315, seconds: 25 }

  test('says how far it is, how fast, and how long it takes', () => {
    expect(wordsOf(moment)).toBe(' 63 %  63,000 rows  1,260 a second  29 s left  3 refused')
    expect([barOf(0), barOf(0.631), barOf(2)]).toEqual(['░'.repeat(20), '████████████▋░░░░░░░', '█'.repeat(20)])
    expect([durationOf(59.4), durationOf(250), durationOf(7500)]).toEqual(['59 s', '4 min 10 s', '2 h 5 min'])
  })

  test('is one line that is drawn anew on a terminal, and a line every 10 s elsewhere', () => {
    const draw = (isTTY: boolean) => {
      let text = ''
      let now = 0
      const bar = createProgressBar(
        { isTTY, columns: 60, write: (part) => (text += String(part)) !== '' },
        plain,
        () => now,
      )
      for (; now < 20_050; now += 50) bar.show(moment)
      bar.say('once \u001b[31mmore')
      bar.end()
      return text
    }
    expect(draw(false)).toBe(`${wordsOf(moment)}\n${wordsOf(moment)}\nonce \ufffd[31mmore\n`)
    const drawn = draw(true).split('\r\u001b[K')
    expect(drawn).toHaveLength(202)
    expect([Math.max(...drawn.slice(0, -1).map((line) => line.length)), drawn.at(-1)]).toEqual([
      59,
      'once \ufffd[31mmore\n',
    ])
  })
})
