/**
 * `npm run users` against a real Worker: every command that docs/users.md and docs/import.md show, with its output; what was imported signs in;
 * and an import that is killed loses nothing.
 */

import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { basename, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'

import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import { EXIT } from '../../scripts/users/problem.ts'
import type { Progress } from '../../scripts/users-import/progress-file.ts'
import { read, table } from '../support/markdown.ts'
import { type Operating, startOperating } from '../support/operating.ts'
import { beforeCommand, post } from '../support/operating-steps.ts'
import { patternOf, shownCommands } from '../support/shown-commands.ts'

const PATIENCE_MS = 480_000

let here: Operating
beforeAll(async () => {
  here = await startOperating()
}, PATIENCE_MS)
afterAll(() => here?.[Symbol.asyncDispose]())

/** Runs every command of a document, in their order. */
async function runShown(path: string): Promise<void> {
  for (const { line, output } of shownCommands(read(path))) {
    await beforeCommand(here, line)
    // Both streams in one, in the order in which a terminal has them.
    const { stdout } = await here.shell(`{ ${line}\n} 2>&1`, { LOCAL: here.origin })
    expect(stdout.trimEnd(), `${path}: ${line}`).toMatch(patternOf(output))
  }
}

describe.concurrent('npm run users', () => {
  test('prints what docs/users.md shows', { timeout: PATIENCE_MS }, () => runShown('docs/users.md'))

  test(
    'imports what docs/import.md shows; everybody signs in with the password that they had',
    { timeout: PATIENCE_MS },
    async () => {
      await runShown('docs/import.md')
      const people = [
        ['ada@example.org', 'a better passphrase of ada', '1', 'admin'],
        ['bo@example.org', 'a better passphrase of bo', '2', 'staff'],
        ['ada@example.net', 'a better passphrase of ada', 'sBE3u09LmTOFe7jplimPlfQTdwnxI6nm', 'admin'],
        ['bo@example.net', 'a better passphrase of bo — ﬁne', 'DkvHW6hkBWBLeLWf5bX6Yfao8wtkK3ao', 'user'],
        ['ada@team.example', 'a better passphrase of ada', undefined, 'staff'],
        ['ada@auth0.example', 'a better passphrase of ada', 'auth0|66321a0c8f1b2c3d4e5f6a01', 'user'],
        ['cy@auth0.example', 'a better passphrase of bo', 'google-oauth2|1020304050', 'user'],
      ] as const
      for (const [primary_email, password, externalId, group] of people) {
        const { access = '' } = await post(here, '/auth/token', { primary_email, password })
        const claims = JSON.parse(Buffer.from(access.split('.')[1] ?? '', 'base64url').toString()) as Record<
          string,
          unknown
        >
        expect([primary_email, claims['external_id'], claims['group']]).toEqual([primary_email, externalId, group])
      }
      const closed = [
        'cy@example.org',
        'cy@example.net',
        'di@example.net',
        'bo@team.example',
        'cy@team.example',
        'bo@auth0.example',
      ]
      for (const primary_email of closed) {
        const password = `a better passphrase of ${primary_email.slice(0, 2)}`
        await expect(post(here, '/auth/token', { primary_email, password })).rejects.toThrow('no_active_account')
      }
      // The same rows as Django's own tool writes them are the same accounts.
      const again = await here.shell('npm run users -- import simplejwt.jsonl --from simplejwt --json')
      expect(JSON.parse(again.stdout)).toMatchObject({ rows: 6, created: 0, exists: 5, refused: 1 })
    },
  )

  test(
    'an import that is killed goes on where it was: each account once, each bad row named once',
    { timeout: PATIENCE_MS },
    async () => {
      const count = 6000
      const bad = [2, 2503, count]
      const rows = Array.from({ length: count }, (_, i) =>
        bad.includes(i + 1)
          ? `row ${i + 1} is bad`
          : JSON.stringify({ primary_email: `u${i + 1}@bulk.example`, group: 'bulk' }),
      )
      here.write('bulk.jsonl', rows.join('\n'))
      const { size } = statSync(join(here.folder, 'bulk.jsonl'))
      const command = here.start(['import', 'bulk.jsonl', '--parallel', '2'])
      while (keptOf(here, size) === undefined) {
        expect(command.exitCode, 'it ended before it was killed').toBeNull()
        await sleep(5)
      }
      command.kill('SIGKILL')
      await once(command, 'exit')
      const reached = keptOf(here, size)?.position.rows
      expect(reached).toBeLessThan(count)

      const { code, stdout, stderr } = await here.shell('npm run users -- import bulk.jsonl --json --parallel 2')
      expect(stderr).toContain(`Goes on behind row ${reached}, which a former run reached.`)
      const result = JSON.parse(stdout) as Record<string, number | string>
      expect([code, result['rows'], result['refused'], Number(result['created']) + Number(result['exists'])]).toEqual([
        EXIT.refusedRows,
        count,
        bad.length,
        count - bad.length,
      ])
      // What was on its way when the kill came was sent again: two requests at most.
      expect(result['exists']).toBeLessThanOrEqual(1000)
      expect(
        here
          .read(basename(String(result['rejected'])))
          .trimEnd()
          .split('\n'),
      ).toEqual(bad.map((line) => `{"line":${line},"errors":{"row":["is no JSON"]}}`))

      const listed = await here.shell('npm run users -- list --group bulk --all --json')
      const addresses = listed.stdout
        .trimEnd()
        .split('\n')
        .map((text) => (JSON.parse(text) as { email: string }).email)
      const wanted = rows.flatMap((_row, i) => (bad.includes(i + 1) ? [] : [`u${i + 1}@bulk.example`]))
      expect(addresses.toSorted()).toEqual(wanted.toSorted())
      // Nothing is left of an import that came to its end.
      expect(keptOf(here, size)).toBeUndefined()
    },
  )

  // util-linux has `script`, which gives a command a terminal; that of other systems takes other options.
  test.runIf(existsSync('/usr/bin/script') && process.platform === 'linux')(
    'on a terminal the summary stands where the bar was, in a line of its own',
    { timeout: PATIENCE_MS },
    async () => {
      here.write('drawn.csv', 'email\na@drawn.example\nb@drawn.example\n')
      const { stdout } = await here.shell('script -qec "stty cols 80; npm run users -- import drawn.csv" /dev/null')
      const [bar = '', summary = ''] = stdout.split('\r\u001b[K')
      expect([bar, summary]).toEqual([
        expect.stringMatching(/█.* 100 % {2}2 rows/),
        expect.stringMatching(/^drawn\.csv: 2 rows in \d+ s\r\n {2}2 created\r\n$/),
      ])
    },
  )

  test('through npm it is found where it was typed, and --json is nothing else', { timeout: PATIENCE_MS }, async () => {
    const command = ['run', '-s', 'users', '--', 'show', 'confirmed@example.com', '--json']
    const env = { ...process.env, npm_config_ignore_scripts: 'true' }
    const { stdout } = await promisify(execFile)('npm', command, { cwd: here.folder, env })
    expect(JSON.parse(stdout)).toMatchObject({ email: 'confirmed@example.com' })
  })

  test('ends with the code of docs/users.md', { timeout: PATIENCE_MS }, async () => {
    const codes = table(read('docs/users.md'), '| exit code | |').map(([code]) => Number(code))
    expect(codes).toEqual(Object.values(EXIT))
    here.write('two.csv', 'email\na@two.example\nb.two.example\n')
    const lines = [
      'list',
      'show nobody',
      'shwo a',
      'import two.csv',
      'import two.csv --dry-run',
      'import none.csv',
      'delete confirmed@example.com',
    ]
    const ran = await Promise.all(lines.map((line) => here.shell(`npm run users -- ${line}`)))
    expect(ran.map(({ code }) => code)).toEqual([
      EXIT.well,
      EXIT.trouble,
      EXIT.usage,
      EXIT.refusedRows,
      EXIT.refusedRows,
      EXIT.trouble,
      EXIT.usage,
    ])
    expect(ran.map(({ stderr }) => stderr.trimEnd().split('\n').length)).toEqual(lines.map(() => 1))
  })
})

/** What is kept of the import of a file of that size: other tests import files at the same time. */
function keptOf({ folder }: Operating, size: number): Progress | undefined {
  const path = join(folder, '.users-import')
  const names = existsSync(path) ? readdirSync(path).filter((name) => name.endsWith('.json')) : []
  return names
    .map((name) => {
      try {
        return JSON.parse(readFileSync(join(path, name), 'utf8')) as Progress
      } catch {
        return undefined // an import that came to its end in this moment
      }
    })
    .find((kept) => kept?.identity.size === size)
}
