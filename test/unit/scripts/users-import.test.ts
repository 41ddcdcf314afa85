/** A whole run of `npm run users -- import` against a server that stops it: what is told of its rows, and where the next run goes on. */

import { once } from 'node:events'
import { existsSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'

import { createClient } from '../../../scripts/users/client.ts'
import { readCommandLine } from '../../../scripts/users/command-line.ts'
import { plain } from '../../../scripts/users/paint.ts'
import { importUsers } from '../../../scripts/users-import/run.ts'
import { portOf } from '../../support/command.ts'

const folder = mkdtempSync(join(tmpdir(), 'tessera-import-'))
const FILE = join(folder, 'users.jsonl')
const COUNT = 1200
/** One in the first request, and one behind it. */
const BAD = [3, 900]

/** A server that makes every account, until it has answered so many requests. */
let answersLeft = Infinity
const server = createServer((request, response) => {
  let body = ''
  request.setEncoding('utf8').on('data', (text: string) => (body += text))
  request.on('end', () => {
    const results = body
      .trimEnd()
      .split('\n')
      .map((_line, i) => ({ line: i + 1, status: 'created' }))
    const isStopped = answersLeft-- <= 0
    response.writeHead(isStopped ? 403 : 200, { 'Content-Type': 'application/json' })
    response.end(isStopped ? '{"code":"forbidden","detail":"Forbidden"}' : JSON.stringify({ results }))
  })
})

const said = vi.spyOn(process.stderr, 'write').mockReturnValue(true)
beforeAll(async () => {
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const rows = Array.from({ length: COUNT }, (_, i) =>
    BAD.includes(i + 1) ? 'bad' : `{"primary_email":"u${i}@example.com"}`,
  )
  writeFileSync(FILE, rows.join('\n'))
})
afterAll(() => {
  server.close()
  said.mockRestore()
  rmSync(folder, { recursive: true })
})
beforeEach(async () => {
  answersLeft = Infinity
  said.mockClear()
  // Each test begins without what another one left.
  await run('--restart')
  for (const name of lists()) rmSync(join(folder, name))
})

/** Runs it; what `--json` prints, and the lines for people. */
async function run(...args: readonly string[]) {
  const line = readCommandLine(['import', FILE, '--parallel', '1', ...args])
  if ('help' in line) throw new Error('help')
  const url = `http://127.0.0.1:${portOf(server.address())}`
  const printed: [unknown, string][] = []
  const client = createClient({ url, key: 'key', isLocal: true, keySource: '.dev.vars' })
  const one = (value: unknown, words: () => string) => void printed.push([value, words()])
  const code = await importUsers({
    client,
    line,
    out: { isJson: false, paint: plain, width: undefined, one, remark: () => {} },
  })
  const [[value, words] = [null, '']] = printed
  return { code, value: value as Readonly<Record<string, unknown>>, words }
}

function lists(): readonly string[] {
  return readdirSync(folder).filter((name) => name !== 'users.jsonl')
}

/** The lines that a list of bad rows names. */
function named(path: unknown): readonly number[] {
  return readFileSync(String(path), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => (JSON.parse(line) as { line: number }).line)
}

/** Stops a run behind its first request. The list that it left. */
async function stop(): Promise<string> {
  answersLeft = 1
  await expect(run()).rejects.toThrow('Stopped behind row 501: the same command goes on from there.')
  answersLeft = Infinity
  const [list = ''] = lists()
  expect(named(join(folder, list))).toEqual([3])
  return join(folder, list)
}

describe('a run that was stopped', () => {
  test('goes on with its list, whatever other runs of the file did meanwhile: each bad row is named once', async () => {
    const list = await stop()
    await run('--dry-run')
    await run('--set', 'group=staff')
    await run('--dry-run', '--map', 'primary_email=external_id')
    const { code, value } = await run()
    expect(said.mock.calls.join('')).toContain('Goes on behind row 501, which a former run reached.')
    expect([code, value]).toEqual([
      3,
      {
        file: FILE,
        dry_run: false,
        rows: COUNT,
        created: COUNT - 2,
        exists: 0,
        refused: 2,
        left_out: 0,
        rejected: list,
        seconds: expect.any(Number),
      },
    ])
    expect(named(list)).toEqual(BAD)
    const others = lists().filter((name) => join(folder, name) !== list)
    expect(others.map((name) => [name.includes('.checked-'), named(join(folder, name))])).toEqual([
      [true, BAD],
      [true, BAD],
      [false, BAD],
    ])
  })

  test('and whose list was moved away says how to go on, and then does', async () => {
    const list = await stop()
    renameSync(list, join(folder, 'mine.jsonl'))
    await expect(run()).rejects.toThrow('put it back, or say --restart')
    expect(existsSync(list)).toBe(false)
    await run('--restart')
    expect([named(list), named(join(folder, 'mine.jsonl'))]).toEqual([BAD, [3]])
  })
})

test('a check says that it is one, to programs as to people, and makes nothing', async () => {
  answersLeft = 0
  const { code, value, words } = await run('--dry-run')
  expect([code, value]).toMatchObject([3, { dry_run: true, good: COUNT - 2, refused: 2 }])
  expect(Object.keys(value)).not.toContain('created')
  expect(words).toMatch(/, only checked\n {2}1,198 good\n {6}2 refused, each named in .*\.checked-[\da-f]{8}\.jsonl\n/)
})
