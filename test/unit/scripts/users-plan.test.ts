/** What the command line of an import asks for, what is refused before anything is sent, and where a run that was stopped goes on. */

import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterAll, describe, expect, test } from 'vitest'

import { readCommandLine } from '../../../scripts/users/command-line.ts'
import { readPlan } from '../../../scripts/users-import/plan.ts'
import { openProgress, type Progress } from '../../../scripts/users-import/progress-file.ts'

const folder = mkdtempSync(join(tmpdir(), 'tessera-plan-'))
afterAll(() => rmSync(folder, { recursive: true }))

function plan(content: string, ...args: readonly string[]) {
  writeFileSync(join(folder, 'users.csv'), content)
  const line = readCommandLine(['import', 'users.csv', ...args])
  if ('help' in line) throw new Error('help')
  return readPlan(line, { INIT_CWD: folder })
}

async function unusedOf(...of: Parameters<typeof plan>): Promise<readonly string[]> {
  return (await plan(...of)).unused.tell()
}

describe('a plan', () => {
  test('has four requests at a time, and patience for five minutes', async () => {
    const { parallel, patienceMs, isDryRun, restart } = await plan('email\na@example.com\n')
    expect({ parallel, patienceMs, isDryRun, restart }).toEqual({
      parallel: 4,
      patienceMs: 300_000,
      isDryRun: false,
      restart: false,
    })
    const other = await plan('email\na@example.com\n', '--parallel', '1', '--patience', '7', '--dry-run', '--restart')
    expect([other.parallel, other.patienceMs, other.isDryRun, other.restart]).toEqual([1, 7000, true, true])
  })

  test('names the columns that become nothing, and not those that a way leads into, or that are taken out', async () => {
    const args = ['--map', 'meta.tenant=claims.tenant', '--map', 'phone=']
    expect(await unusedOf('email,meta,phone,name,age\n', ...args)).toEqual(['name', 'age'])
    expect(await unusedOf('id,email,is_staff,username\n', '--from', 'simplejwt')).toEqual(['username'])
    expect(await unusedOf('email,disabled,deleted,claims.plan,claims.a.b\n')).toEqual(['claims.a.b'])
    expect(await unusedOf('id,email,claims.plan\n', '--from', 'simplejwt')).toEqual(['claims.plan'])
  })

  test('names the fields of JSON as rows have them, each once, and so many at most', async () => {
    const { map, unused } = await plan('{"email":"a@example.com"}\n', '--map', 'phone=')
    map({ email: 'a@example.com', phone: '1', 'claims.plan': 'pro', disabled: false, blocked: true })
    expect(unused.tell()).toEqual(['blocked'])
    map({ email: 'b@example.com', blocked: true, age: 7 })
    expect(unused.tell()).toEqual(['age'])
    map(Object.fromEntries(Array.from({ length: 99 }, (_, i) => [`id ${i}`, 1])))
    const [last, ...others] = unused.tell().toReversed()
    expect([last, others.length]).toEqual(['…', 48])
    map({ another: 1 })
    expect(unused.tell()).toEqual([])
    const django = await plan('{"model":"auth.user"}\n', '--from', 'simplejwt')
    django.map({ model: 'auth.user', pk: 7, fields: { email: 'a@example.com', is_staff: true, last_login: null } })
    expect(django.unused.tell()).toEqual(['last_login'])
  })

  test('has a claim of each column that is called after one, in CSV and in JSON', async () => {
    const row = { email: 'a@example.com', 'claims.plan': 'pro', 'claims.old': 'x', claims: '{"seats":2}' }
    const account = { primary_email: 'a@example.com', claims: { seats: 2, plan: 'pro' } }
    for (const content of ['email,claims.plan,claims.old,claims\n', '{"email":"a@example.com"}\n']) {
      expect((await plan(content, '--map', 'claims.old=')).map(row)).toEqual({ user: account })
    }
  })

  test.each([
    [['--parallel', '0'], '--parallel 0 is no number from 1 to 32.'],
    [['--parallel', 'x'], '--parallel x is no number from 1 to 32.'],
    [['--patience', '100000'], '--patience 100000 is no number from 1 to 86400.'],
    [['--from', 'nowhere'], '--from nowhere is none of'],
    [['--firebase-config', 'a'], '--firebase-config is for --from firebase.'],
    [['--from', 'firebase'], '--from firebase needs --firebase-config FILE: docs/import.md says where it is from.'],
    [['--map', 'emial=primary_email'], 'users.csv has no column emial: did you mean email?'],
    [['--map', 'x.y=primary_email'], 'users.csv has no column x.y, but email, id'],
    [
      ['--map', 'email='],
      'users.csv has no column that names an account, but email, id. Say which one does: --map COLUMN=primary_email',
    ],
  ])('with %j is refused in a line', async (args, words) => {
    await expect(plan('email,id\n', ...args)).rejects.toThrow(words)
  })

  test('of Auth0 takes no hash without its user, who may be blocked', async () => {
    const { map } = await plan('{"email":"a@example.com"}\n', '--from', 'auth0')
    const row = { _id: { $oid: '5f' }, email: 'a@example.com', passwordHash: '$2b$10$x' }
    expect(map(row)).toMatchObject({
      user: { primary_email: 'a@example.com' },
      errors: { row: [expect.stringMatching(/^has no user_id: docs\/import\.md/)] },
    })
    expect(map({ ...row, user_id: 'auth0|5f', blocked: true })).toMatchObject({ user: { active: false } })
  })

  test('of Firebase brings no password along where it is told so', async () => {
    writeFileSync(join(folder, 'hash.txt'), 'base64_signer_key: AAAA, rounds: 8, mem_cost: 14')
    const args = ['--from', 'firebase', '--map', 'passwordHash=']
    for (const more of [[], ['--firebase-config', 'hash.txt']]) {
      const { map } = await plan('localId,email,passwordHash\n', ...args, ...more)
      expect(map({ localId: 'u1', email: 'a@example.com', passwordHash: 'x' })).toEqual({
        user: { external_id: 'u1', primary_email: 'a@example.com' },
      })
    }
  })

  test('to check only does so by the schema of the Worker', async () => {
    const row = {
      email: 'no address',
      password_hash: 'md5$x',
      claims: '{"iss":1}',
      guid: 'x',
      external_id: 'a',
      active: 'perhaps',
    }
    const content = 'email,password_hash,claims,guid,external_id,active\n'
    const { map } = await plan(content, '--dry-run')
    expect(map(row)).toMatchObject({
      errors: {
        primary_email: ['Invalid email address'],
        password_hash: ['is of no form that is known'],
        claims: ['must not have iss, which is reserved'],
        guid: [expect.any(String)],
        active: ['is neither true nor false, nor a time'],
      },
    })
    expect(map({ email: 'a@example.com' })).toEqual({ user: { primary_email: 'a@example.com' } })
    expect(map({ email: '' })).toMatchObject({ errors: { primary_email: ['Or guid, or external_id: one is needed'] } })
    // Otherwise the server says so.
    expect((await plan(content)).map({ email: 'no address' })).toEqual({ user: { primary_email: 'no address' } })
  })
})

const INPUT = { path: '/users.csv', identity: { size: 10, mtimeMs: 1, start: 'abc' } }
const PROGRESS: Progress = {
  identity: INPUT.identity,
  position: { offset: 5, line: 3, rows: 2 },
  counts: { rows: 2, created: 1, exists: 0, refused: 1, leftOut: 0 },
  first: [{ line: 2, errors: { row: ['bad'] } }],
  rejectedBytes: 40,
  seconds: 1,
}
const HERE = 'http://localhost:8787'

function open(input = INPUT, url = HERE, options: unknown = {}) {
  return openProgress(input, url, options, join(folder, 'kept'))
}

describe('the place that is kept', () => {
  test('is found by the same command, and by no other', () => {
    const first = open()
    expect([first.found, first.hasChanged]).toEqual([null, false])
    first.keep(PROGRESS)
    first.release()
    const second = open()
    expect([second.found, second.hasChanged]).toEqual([PROGRESS, false])
    second.release()
    for (const other of [
      open(INPUT, 'https://auth.example.com'),
      open(INPUT, HERE, { from: 'auth0' }),
      open({ ...INPUT, path: '/others.csv' }),
    ]) {
      expect([other.found, other.hasChanged]).toEqual([null, false])
      other.release()
    }
  })

  test.each([{ size: 11 }, { mtimeMs: 2 }, { start: 'abd' }])('is none of a file that has changed: %j', (change) => {
    const file = open({ ...INPUT, identity: { ...INPUT.identity, ...change } })
    expect([file.found, file.hasChanged]).toEqual([null, true])
    file.release()
  })

  test('is for its owner alone, and gone when the import is done', () => {
    const file = open()
    const path = join(folder, 'kept')
    const name = readdirSync(path).find((one) => one.endsWith('.json')) ?? ''
    expect(statSync(join(path, name)).mode & 0o077).toBe(0)
    file.finish()
    file.release()
    expect(readdirSync(path)).toEqual([])
  })

  test('is that of one run at a time; that of a run which was killed is taken over', () => {
    const path = join(folder, 'kept')
    const file = open()
    const [lock = ''] = readdirSync(path)
    writeFileSync(join(path, lock), String(process.ppid))
    expect(() => open()).toThrow(`This import runs already, in the process ${process.ppid}.`)
    // No process has this id.
    writeFileSync(join(path, lock), '99999999')
    open().release()
    file.release()
  })
})
