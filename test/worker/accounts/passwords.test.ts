/**
 * The password engine in workerd: what a failure of it looks like from outside, and that it does not last. Every
 * isolate has one engine, from its first password on, until it fails.
 */

import { env } from 'cloudflare:workers'
import { describe, expect, test, vi } from 'vitest'

import { createAccount, dumpTables, HASHES, PASSWORD } from '../../support/accounts.ts'
import { COMMON, problem, answer, UNAVAILABLE } from '../../support/answers.ts'
import { type TestWorker, worker } from '../../support/worker.ts'
import { keepLog } from '../../support/log.ts'

const logged = keepLog('warn')

async function signIn(email: string | null, password = PASSWORD, path = '/auth/token', by: TestWorker = worker) {
  const response = await by.call(path, { method: 'POST', json: { primary_email: email, password } })
  return answer(response)
}

/** Makes a hash fail, as one does that gets no memory, until it is mended. What was computing it is of no use any more. */
function breakHashing(): () => void {
  const grow = vi.spyOn(WebAssembly.Memory.prototype, 'grow').mockImplementation(() => {
    throw new RangeError('WebAssembly.Memory.grow(): Out of memory')
  })
  return () => grow.mockRestore()
}

/** Lets no engine start until it is mended, and sees to it that none is running. */
async function breakStart(): Promise<() => void> {
  const mendHashing = breakHashing()
  await signIn('nobody@example.com')
  mendHashing()
  const instantiate = vi.spyOn(WebAssembly, 'instantiate').mockImplementation(() => {
    throw new RangeError('WebAssembly.instantiate(): Out of memory')
  })
  return () => instantiate.mockRestore()
}

describe.each([
  ['start', breakStart, 'RangeError: WebAssembly.instantiate(): Out of memory'],
  ['hash', async () => breakHashing(), 'RangeError: WebAssembly.Memory.grow(): Out of memory'],
] as const)('a password engine that fails to %s', (_what, breakEngine, cause) => {
  test('once: the right password is 503, and then 200 by another engine', async () => {
    const { email } = await createAccount(env.DB)
    const mend = await breakEngine()
    logged.mockClear()

    expect(await signIn(email)).toEqual(UNAVAILABLE)
    expect(logged.mock.calls).toEqual([
      [
        {
          event: 'refused',
          code: 'unavailable',
          status: 503,
          cause: `Error: Argon2id failed (${cause})`,
          route: '/auth/token',
        },
      ],
    ])
    mend()
    const instantiate = vi.spyOn(WebAssembly, 'instantiate')
    expect((await signIn(email)).status).toBe(200)
    expect(instantiate).toHaveBeenCalled()
  })

  test('for good: every password of everybody is 503, in both transports, and nothing is written', async () => {
    const { email } = await createAccount(env.DB)
    await breakEngine()
    const before = await dumpTables(env.DB)

    for (const path of ['/auth/token', '/auth/session']) {
      for (const [whose, password] of [
        [email, PASSWORD],
        [email, 'wrong'],
        ['nobody@example.com', PASSWORD],
      ] as const) {
        expect(await signIn(whose, password, path)).toEqual(UNAVAILABLE)
      }
    }
    expect(await dumpTables(env.DB)).toEqual(before)
  })
})

test('a password that Argon2id does not take costs no engine: whoever sends it could make us start one each time', async () => {
  const { email } = await createAccount(env.DB)
  expect((await signIn(email)).status).toBe(200)
  const instantiate = vi.spyOn(WebAssembly, 'instantiate')
  expect((await signIn(email, '\u0005')).status).toBe(401)
  expect((await signIn(email)).status).toBe(200)
  expect(instantiate).not.toHaveBeenCalled()
})

test('an imported account signs in under its old hash while Argon2id fails', async () => {
  const { id, email } = await createAccount(env.DB, { passwordHash: HASHES.pbkdf2Sha256 })
  await breakStart()
  const { status } = await signIn(email)

  expect(status).toBe(200)
  const stored = await env.DB.prepare('SELECT password_hash FROM users WHERE id = ?').bind(id).first('password_hash')
  expect(stored).toBe(HASHES.pbkdf2Sha256)
})

describe('the length of a password', () => {
  test.each(['/auth/token', '/auth/session'])('is at most 1,024 characters for %s', async (path) => {
    const { email } = await createAccount(env.DB)
    logged.mockClear()

    expect(await signIn(email, 'x'.repeat(1024), path)).toMatchObject({ status: 401 })
    expect(await signIn(email, 'x'.repeat(1025), path)).toEqual(
      problem(400, 'Bad Request', 'Wrong data structure', 'wrong_data_structure', {
        errors: { password: ['Too big: expected string to have <=1024 characters'] },
      }),
    )
  })

  test('is looked at before its composition, which takes time by its square', async () => {
    const normalize = vi.spyOn(String.prototype, 'normalize')
    const marks = 'a\u0301\u0323'.repeat(2000)
    expect((await signIn('nobody@example.com', marks)).status).toBe(400)
    expect(normalize.mock.contexts.map((text) => String(text).length)).not.toContain(marks.length)
  })

  test('is no matter of its bytes: 1,024 letters of any script sign in', async () => {
    const password = '\u00e9'.repeat(1024)
    const { email } = await createAccount(env.DB)
    expect(await signIn(email, password)).toEqual({
      ...problem(401, 'Unauthorized', 'No active account found with the given credentials', 'no_active_account'),
      headers: expect.objectContaining(COMMON) as object,
    })
  })
})
