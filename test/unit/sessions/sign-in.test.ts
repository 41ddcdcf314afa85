/** Signing in: one answer and one amount of work for every failure, and what the first pair is. */

import { describe, expect, test } from 'vitest'

import type { SignInAccount } from '../../../src/domain/accounts/account.ts'
import { createPasswords } from '../../../src/domain/accounts/passwords.ts'
import { signInByGuid, signInByPassword } from '../../../src/domain/sessions/sign-in.ts'
import type { Settings } from '../../../src/domain/settings.ts'
import { ACCOUNT, type FakeServices, fakeServices, HOME, ISSUER, NOW } from '../../support/fakes.ts'
import { decodeToken } from '../../support/forge.ts'
import {
  type Argon2id,
  cheapArgon2id,
  countedPrimitives,
  OWN_WORK,
  PASSWORD,
  realArgon2id,
  SALT,
  SCRYPT,
} from '../../support/passwords.ts'
import { refusal } from '../../support/refusals.ts'
import { GUID } from '../../support/accounts.ts'

const REQUEST = { client: HOME, issuer: ISSUER, cookies: [], afterwards() {} }

const PBKDF2_CONTROL_CHARACTER = `$pbkdf2-sha256$i=1000$${SALT}$ID0zTmbDz3ChqdtB6ooOxwBgGIPB1rlD4wIjNl49RnU`

function refused(cause: string) {
  return { code: 'no_active_account', message: 'No active account found with the given credentials', cause }
}

function signIn(services: FakeServices, primary_email = 'somebody@example.com', password = PASSWORD) {
  return signInByPassword(services, { primary_email, password }, REQUEST)
}

describe('signing in with a password', async () => {
  const STORED: SignInAccount = {
    ...ACCOUNT,
    group: 'staff',
    isActive: true,
    isConfirmed: true,
    passwordHash: await createPasswords(countedPrimitives(cheapArgon2id).primitives).hash(PASSWORD),
  }

  function withAccount(
    changes: Partial<SignInAccount> | null,
    settings: Partial<Settings> = {},
    argon: Argon2id = cheapArgon2id,
  ): { services: FakeServices; work: string[] } {
    const { primitives, work } = countedPrimitives(argon)
    const services = fakeServices({ primitives, settings })
    if (changes !== null) services.accountsByEmail.set('somebody@example.com', { ...STORED, ...changes })
    return { services, work }
  }

  test('opens a session and hands out its first pair', async () => {
    const { services } = withAccount({})
    const pair = await signIn(services, '  SomeBody@Example.com ')
    expect(decodeToken(pair.access).payload).toEqual({
      iss: ISSUER,
      sub: GUID,
      id: 7,
      guid: GUID,
      group: 'staff',
      sid: 'id-1',
      jti: 'id-2',
      iat: NOW,
      exp: NOW + 300,
      token_type: 'access',
    })
    expect(decodeToken(pair.refresh).payload).toEqual({
      iss: ISSUER,
      sub: GUID,
      id: 7,
      guid: GUID,
      sid: 'id-1',
      jti: 'id-2',
      iat: NOW,
      exp: NOW + 864_000,
      ip: '203.0.113.7',
      token_type: 'refresh',
    })
    // Neither the flags nor the hash of the account leave the rules.
    expect(pair.account).toEqual({ ...ACCOUNT, group: 'staff' })
    expect(pair.expiresAt).toBe(NOW + 864_000)
    expect(services.calls).toEqual(['findForSignIn', 'openForPassword'])
    expect(services.rehashes).toEqual([null])
  })

  test.each([
    ['an unknown address', null, PASSWORD, 'unknown address'],
    ['a wrong password', {}, 'wrong', 'wrong password'],
    ['an account without a password', { passwordHash: null }, PASSWORD, 'wrong password'],
    ['an account whose hash cannot be read', { passwordHash: 'x' }, PASSWORD, 'wrong password'],
    ['an inactive account', { isActive: false }, PASSWORD, 'inactive'],
    ['an unconfirmed account', { isConfirmed: false }, PASSWORD, 'unconfirmed'],
    ['an inactive account and a wrong password', { isActive: false }, 'wrong', 'wrong password'],
    ['an unconfirmed account and a wrong password', { isConfirmed: false }, 'wrong', 'wrong password'],
    ['an inactive, unconfirmed account', { isActive: false, isConfirmed: false }, PASSWORD, 'inactive'],
  ])(
    'refuses %s with the same answer, after the same work, and opens nothing',
    async (name, changes, password, cause) => {
      const { services, work } = withAccount(changes)
      expect(await refusal(signIn(services, 'somebody@example.com', password))).toEqual(refused(cause))
      expect(work).toEqual([OWN_WORK])
      // What cannot be read may be a form of another system.
      const check = name.includes('cannot be read') ? ['beginForeignCheck'] : []
      expect([services.calls, services.rows.size]).toEqual([['findForSignIn', ...check, 'countFailure'], 0])
    },
  )

  test('refuses the right password of an account that waits, after the same work and the same round trips', async () => {
    const { services, work } = withAccount({})
    services.failures.push({ topic: 'sign_in', count: 10, at: NOW, waitsUntil: NOW + 1 })
    expect(await refusal(signIn(services))).toEqual(refused('waiting'))
    expect(work).toEqual([OWN_WORK])
    expect([services.calls, services.rows.size]).toEqual([['findForSignIn', 'countFailure'], 0])
  })

  test('counts a refusal under the address as it is compared, and for its client', async () => {
    const { services } = withAccount({})
    services.known.seenAt = NOW - 1
    await refusal(signIn(services, ' SomeBody@Example.com', 'wrong'))
    expect(services.failedTries).toMatchObject([
      { subject: 'subject of somebody@example.com', topic: 'sign_in 203.0.113.7/32', now: NOW },
    ])
  })

  test('computes no hash of another system for a try that waits: it could take seconds, as often as anybody asks', async () => {
    const { services, work } = withAccount({ passwordHash: SCRYPT })
    services.failures.push({ topic: 'sign_in', count: 10, at: NOW, waitsUntil: NOW + 1 })
    expect(await refusal(signIn(services))).toEqual(refused('waiting'))
    expect(work).toEqual([OWN_WORK])
  })

  test('leaves both of its mails for after the answer, which waits for neither', async () => {
    const { services } = withAccount({})
    const later: Promise<void>[] = []
    const caller = { ...REQUEST, afterwards: (work: Promise<void>) => void later.push(work) }
    const silent: FakeServices = {
      ...services,
      announce: (mail) => new Promise(() => services.announced.push(mail)),
    }
    services.failures.push({ topic: 'sign_in', count: 9, at: NOW, waitsUntil: 0 })
    const credentials = { primary_email: 'somebody@example.com', password: 'wrong' }
    expect(await refusal(signInByPassword(silent, credentials, caller))).toEqual(refused('wrong password'))
    expect([services.announced, later.length]).toEqual([[{ id: 'id-1', account: 7 }], 1])

    services.known.knowsPlaces = true
    await signInByPassword(silent, { ...credentials, password: PASSWORD }, caller)
    expect([services.announced.length, later.length]).toEqual([2, 2])
    expect(services.judged).toMatchObject([{ isNewPlace: true, failures: 9, notice: { kind: 'new_sign_in' } }])
  })

  test('refuses an account that changed while its password was verified', async () => {
    const { services } = withAccount({})
    const overtaken: FakeServices = {
      ...services,
      passwords: {
        ...services.passwords,
        async verify(password, stored) {
          services.accountsByEmail.clear()
          return services.passwords.verify(password, stored)
        },
      },
    }
    expect(await refusal(signIn(overtaken))).toEqual(refused('changed during sign-in'))
    expect(services.rows.size).toBe(0)
  })

  test('replaces an outdated hash by one of today, of the same password', async () => {
    const { services, work } = withAccount({ passwordHash: SCRYPT })
    await signIn(services)
    expect(work).toEqual(['scrypt 16 8 1 32', OWN_WORK])
    const [rehash] = services.rehashes
    expect(rehash).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/)
    expect(await services.passwords.verify(PASSWORD, rehash ?? null)).toEqual({ matches: true, outdated: false })
  })

  test.each([
    ['a wrong password', {}, 'wrong'],
    ['an inactive account', { isActive: false }, PASSWORD],
    ['an unconfirmed account', { isConfirmed: false }, PASSWORD],
  ])('does not hash anew for %s', async (_name, changes, password) => {
    const { services, work } = withAccount({ passwordHash: SCRYPT, ...changes })
    await refusal(signIn(services, 'somebody@example.com', password))
    expect([work, services.rehashes]).toEqual([['scrypt 16 8 1 32'], []])
  })

  test('lets an imported account in whose password cannot be hashed anew: it was right, and no fault of its owner', async () => {
    const { services } = withAccount({ passwordHash: PBKDF2_CONTROL_CHARACTER }, {}, realArgon2id)
    await expect(signIn(services, 'somebody@example.com', '\u0005')).resolves.toBeDefined()
  })

  test('lets an imported account in when the engine fails to hash anew, and says so in the log', async () => {
    const logged: unknown[] = []
    const { services } = withAccount({ passwordHash: SCRYPT }, {}, () => Promise.reject(new Error('out of memory')))
    await expect(signIn({ ...services, log: (event) => logged.push(event) })).resolves.toBeDefined()
    expect(services.rehashes).toEqual([null])
    expect(logged).toEqual([
      {
        event: 'password_not_rehashed',
        guid: GUID,
        error: 'TesseraError: Service unavailable (Error: Argon2id failed (Error: out of memory))',
      },
      { event: 'signed_in', guid: GUID, sid: 'id-1', reason: 'password' },
    ])
  })

  test('takes the password whole', async () => {
    const { services } = withAccount({})
    expect(await refusal(signIn(services, 'somebody@example.com', ` ${PASSWORD} `))).toEqual(refused('wrong password'))
  })

  test.each([
    ['the refresh token', 600, 6000, NOW + 600],
    ['the session, where that is shorter', 6000, 600, NOW + 600],
  ])('lasts as long as %s', async (_name, refreshTtlSeconds, sessionMaxSeconds, expiresAt) => {
    const { services } = withAccount({}, { refreshTtlSeconds, sessionMaxSeconds })
    const pair = await signIn(services)
    expect(pair.expiresAt).toBe(expiresAt)
    expect(decodeToken(pair.refresh).payload['exp']).toBe(expiresAt)
    expect([...services.rows.values()].map(({ session }) => session.expiresAt)).toEqual([expiresAt])
  })
})

describe('signing in with a guid', () => {
  test('opens a session for it', async () => {
    const services = fakeServices()
    const pair = await signInByGuid(services, GUID, REQUEST)
    expect(decodeToken(pair.access).payload).toMatchObject({ guid: GUID, sub: GUID, group: 'user', exp: NOW + 300 })
    expect(decodeToken(pair.refresh).payload).toMatchObject({ guid: GUID, ip: '203.0.113.7', exp: NOW + 864_000 })
    expect(pair.account).toEqual({ id: 7, guid: GUID, email: null, group: 'user', externalId: null, ownClaims: null })
    expect(services.calls).toEqual(['openForGuid'])
  })

  test('refuses an inactive account', async () => {
    const services = fakeServices()
    const closed = { ...services, sessions: { ...services.sessions, openForGuid: async () => 'inactive' as const } }
    await expect(signInByGuid(closed, GUID, REQUEST)).rejects.toMatchObject({
      code: 'no_active_account',
      message: 'No active account found with the given credentials',
      cause: 'inactive',
    })
  })
})
