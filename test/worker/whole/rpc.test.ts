/** Calls of other Workers: each follows the rule of its request over HTTP, within what its binding allows, and answers by a value. */

import { env, exports } from 'cloudflare:workers'
import { describe, expect, test } from 'vitest'

import type { BindingProps, TokenServiceBinding } from '../../../src/rpc/contract.ts'
import { createAccount, dumpTables, PASSWORD } from '../../support/accounts.ts'
import { addressed, bindTo, EVERYTHING, FACTS } from '../../support/binding.ts'
import { at, stopClock, T0 } from '../../support/clock.ts'
import { acceptOffer } from '../../support/dbsc.ts'
import { createProvingClient } from '../../support/dpop.ts'
import { FAULTS, faultyDatabase, skipPauses } from '../../support/faulty-bindings.ts'
import { startFollowed } from '../../support/followed-worker.ts'
import { claimsOf, forgedCopy } from '../../support/forge.ts'
import { keepLog, linesOf } from '../../support/log.ts'
import { admin, addUser } from '../../support/operators.ts'
import { post, refreshByJson } from '../../support/requests.ts'
import { endOf, openByGuid } from '../../support/sessions.ts'
import { ELSEWHERE, HOME, ORIGIN, pairOf, startWorker } from '../../support/worker.ts'

stopClock()
const logged = keepLog('warn', 'error')
const tessera = bindTo()

/** A session of a new account. */
function open(guid?: string) {
  return openByGuid(guid, {}, addressed)
}

/** What a method answers that refuses nothing. */
async function ok<Answer extends { readonly ok: boolean }>(answer: Promise<Answer>) {
  const given = await answer
  expect(given).toMatchObject({ ok: true })
  return given as Extract<Answer, { ok: true }>
}

function refusal(code: string, status: number, detail: string, more: object = {}) {
  return { ok: false, code, status, detail, ...more }
}

const FORBIDDEN = refusal('forbidden', 403, 'Forbidden')
const NOT_VALID = refusal('token_not_valid', 401, 'Not valid token')
const MALFORMED = refusal('wrong_data_structure', 400, 'Wrong data structure')

/** Each method by name, with values that it would take. */
const CALLS: Readonly<Record<string, (binding: TokenServiceBinding) => Promise<{ readonly ok: boolean }>>> = {
  verify: async (binding) => binding.verify((await open()).access),
  keys: (binding) => binding.keys(),
  introspect: async (binding) => binding.introspect((await open()).access),
  issue: (binding) => binding.issue(crypto.randomUUID(), FACTS),
  refresh: async (binding) => binding.refresh({ refresh: (await open()).refresh }, FACTS),
  revokeUser: async (binding) => binding.revokeUser((await open()).guid),
}
const NAMES = Object.keys(CALLS)

/** Which methods a binding may call. */
async function allowed(props: unknown): Promise<readonly string[]> {
  const answers = await Promise.all(NAMES.map(async (name) => [name, await CALLS[name]?.(bindTo(addressed, props))]))
  return answers.flatMap(([name, answer]) => ((answer as { ok: boolean }).ok ? [name as string] : []))
}

describe('what a binding may call', () => {
  test('is what is read by whoever has the token already, where nobody says more', async () => {
    for (const props of [null, {}, { name: 'orders-api' }]) {
      expect(await allowed(props), JSON.stringify(props)).toEqual(['verify', 'keys', 'introspect'])
    }
  })

  test('is what its props list, and nothing else', async () => {
    expect(await allowed(EVERYTHING)).toEqual(NAMES)
    expect(await allowed({ methods: ['keys'] })).toEqual(['keys'])
    expect(await allowed({ methods: ['issue', 'refresh'] })).toEqual(['issue', 'refresh'])
    expect(await allowed({ methods: [] })).toEqual([])
  })

  test('is nothing, where its props cannot be read', async () => {
    for (const props of [
      'keys',
      7,
      { methods: 'keys' },
      { methods: ['keys', 'all'] },
      { methods: { keys: true } },
      { methods: null },
      { name: 7, methods: ['keys'] },
      { name: 'Orders API', methods: ['keys'] },
      { name: '', methods: ['keys'] },
    ]) {
      expect(await allowed(props), JSON.stringify(props)).toEqual([])
    }
  })

  test('is refused with a line of the log, before anything of the call is looked at', async () => {
    const { guid } = await open()
    const before = await dumpTables(env.DB)
    const plain = bindTo(addressed, {})
    expect(await plain.issue(crypto.randomUUID(), FACTS)).toEqual(FORBIDDEN)
    expect(await plain.refresh(undefined as never, undefined as never)).toEqual(FORBIDDEN)
    expect(await plain.revokeUser(guid)).toEqual(FORBIDDEN)
    expect(await dumpTables(env.DB)).toEqual(before)
    const line = { event: 'refused', code: 'forbidden', status: 403, cause: 'binding' }
    expect(linesOf(logged, 'refused')).toEqual(
      ['issue', 'refresh', 'revokeUser'].map((method) => ({ ...line, route: `rpc/${method}` })),
    )
  })

  test('is not to act as an operator without a name', async () => {
    const { guid, sid } = await open()
    expect(await bindTo(addressed, { methods: ['revokeUser'] }).revokeUser(guid)).toEqual(FORBIDDEN)
    expect(linesOf(logged, 'refused')).toMatchObject([{ cause: 'binding without a name', route: 'rpc/revokeUser' }])
    expect(await endOf(sid)).toEqual({ revoked_at: null, revoked_reason: null })
  })

  test('is the same through a real binding, which has props, and shows nothing but its methods', async () => {
    type Bound = TokenServiceBinding & Readonly<Record<string, () => Promise<unknown>>>
    const { TokenService } = exports as unknown as {
      TokenService: Bound & ((options: { readonly props: BindingProps }) => Bound)
    }
    const { access, refresh } = await openByGuid()
    expect(await TokenService.verify(access)).toMatchObject({ ok: true, claims: claimsOf(access) })
    expect(await TokenService.refresh({ refresh }, FACTS)).toEqual(FORBIDDEN)
    const keysAlone = TokenService({ props: { methods: ['keys'] } })
    expect(await keysAlone.keys()).toMatchObject({ ok: true, maxAgeSeconds: 300 })
    expect(await keysAlone.verify(access)).toEqual(FORBIDDEN)
    for (const name of ['answer', 'env', 'ctx', 'fetch'])
      await expect((async () => TokenService[name]?.())(), name).rejects.toThrow()
  })
})

describe('verify', () => {
  test('gives the claims of a good access token, with those of the account’s own, whether or not its session lives', async () => {
    const user = await addUser({ claims: { plan: 'pro' }, group: 'staff' }, addressed)
    const { access, refresh } = await open(user.guid)
    expect(await tessera.verify(access)).toEqual({ ok: true, claims: claimsOf(access) })
    expect(claimsOf(access)).toMatchObject({ plan: 'pro', group: 'staff', iss: ORIGIN })
    await post('/auth/token/revoke', { token: refresh }, {}, addressed)
    expect(await tessera.verify(access)).toMatchObject({ ok: true })
  })

  test('refuses every other token', async () => {
    const { access, refresh } = await open()
    expect(await tessera.verify(refresh)).toEqual(NOT_VALID)
    expect(await tessera.verify(await forgedCopy(access))).toEqual(NOT_VALID)
    expect(await tessera.verify('no token')).toEqual(MALFORMED)
    at(300)
    expect(await tessera.verify(access)).toEqual(NOT_VALID)
    expect(linesOf(logged, 'refused').map((line) => (line as { cause: string }).cause)).toEqual([
      'kid',
      'kid',
      'form',
      'out of its time',
    ])
  })
})

test('keys are those of the JWKS, for as long', async () => {
  const response = await addressed.call('/.well-known/jwks.json')
  const { keys } = await response.json<{ keys: unknown }>()
  expect(await tessera.keys()).toEqual({ ok: true, keys, maxAgeSeconds: 300 })
  expect(response.headers.get('Cache-Control')).toContain('max-age=300')
})

describe('introspect', () => {
  test('says what HTTP says', async () => {
    const { access, refresh } = await open()
    for (const token of [access, refresh, 'no token']) {
      const response = await post(
        '/auth/token/introspect',
        { token },
        { headers: { Authorization: `Bearer ${env.SERVICE_KEY}` } },
        addressed,
      )
      expect(await tessera.introspect(token)).toEqual({ ok: true, introspection: await response.json() })
    }
    await post('/auth/token/revoke', { token: refresh }, {}, addressed)
    expect(await tessera.introspect(access)).toEqual({ ok: true, introspection: { active: false } })
  })
})

describe('issue', () => {
  test('opens a session in the place of the client that it names, and says so in the log', async () => {
    const guid = crypto.randomUUID()
    const { access, refresh, ...pair } = await ok(tessera.issue(guid, FACTS))
    const { sid, id } = claimsOf(access)
    expect(claimsOf(refresh)).toMatchObject({ iss: ORIGIN, guid, sid, ip: HOME })
    expect(pair).toEqual({
      ok: true,
      accessExpiresAt: T0 + 300,
      refreshExpiresAt: T0 + 864_000,
      isBound: false,
      account: { id, guid, email: null, group: 'user' },
    })
    expect(await rowOf(String(sid))).toMatchObject({
      ip: HOME,
      country: 'IS',
      asn: 64_496,
      city: 'Reykjavík',
      user_agent: 'curl/8.9.1',
    })
    expect(logged.mock.calls).toEqual([
      [{ event: 'registered', guid, reason: 'guid' }],
      [{ event: 'signed_in', guid, sid, reason: 'guid' }],
    ])
  })

  test('takes a guid in any letters, an address in any spelling, and facts that are not known', async () => {
    const guid = crypto.randomUUID()
    const unknown = { ip: '2001:DB8:0::7', country: 'XX', asn: null, city: '', userAgent: undefined }
    const { access } = await ok(tessera.issue(guid.toUpperCase(), unknown))
    const { sid } = claimsOf(access)
    expect(claimsOf(access)).toMatchObject({ guid })
    const known = { country: null, asn: null, city: null, user_agent: null }
    expect(await rowOf(String(sid))).toMatchObject({ ip: '2001:db8::7', ...known })
  })

  test('is closed by ISSUE_ACCESS=off, whatever a binding may', async () => {
    const closed = bindTo(startWorker({ PUBLIC_URL: ORIGIN, ISSUE_ACCESS: 'off' }))
    expect(await closed.issue(crypto.randomUUID(), FACTS)).toEqual(FORBIDDEN)
    expect(linesOf(logged, 'refused')).toMatchObject([{ cause: 'ISSUE_ACCESS is off', route: 'rpc/issue' }])
    const service = bindTo(startWorker({ PUBLIC_URL: ORIGIN, ISSUE_ACCESS: 'service' }))
    expect(await service.issue(crypto.randomUUID(), FACTS)).toMatchObject({ ok: true })
  })

  test('refuses an account that is closed', async () => {
    const { guid } = await createAccount(env.DB, { isActive: false })
    expect(await tessera.issue(guid, FACTS)).toMatchObject({ ok: false, code: 'no_active_account', status: 401 })
  })

  test.each<readonly [what: string, guid: unknown, client: unknown, fields: readonly string[]]>([
    ['no guid', 'me', FACTS, ['guid']],
    ['no guid at all', undefined, FACTS, ['guid']],
    ['no client', crypto.randomUUID(), undefined, ['client']],
    ['a client that is a text', crypto.randomUUID(), HOME, ['client']],
    ['no address', crypto.randomUUID(), {}, ['ip']],
    ['an address that is none', crypto.randomUUID(), { ip: 'localhost' }, ['ip']],
    ['two addresses', crypto.randomUUID(), { ip: `${HOME}, ${ELSEWHERE}` }, ['ip']],
    ['a country by its name', crypto.randomUUID(), { ip: HOME, country: 'Iceland' }, ['country']],
    ['a network by its name', crypto.randomUUID(), { ip: HOME, asn: 'AS1' }, ['asn']],
    ['a network that is none', crypto.randomUUID(), { ip: HOME, asn: 2 ** 32 }, ['asn']],
    ['a city in two lines', crypto.randomUUID(), { ip: HOME, city: 'a\nb' }, ['city']],
    ['several of these', crypto.randomUUID(), { ip: 7, asn: 0, userAgent: 7 }, ['ip', 'asn', 'userAgent']],
  ])('refuses %s, and says what is wrong', async (_what, guid, client, fields) => {
    const before = await dumpTables(env.DB)
    const answer = await tessera.issue(guid as string, client as never)
    expect(answer).toEqual({ ...MALFORMED, errors: expect.anything() as unknown })
    expect(Object.keys('errors' in answer ? (answer.errors ?? {}) : {})).toEqual(fields)
    expect(await dumpTables(env.DB)).toEqual(before)
    expect(logged).not.toHaveBeenCalled()
  })
})

function rowOf(sid: string) {
  return env.DB.prepare('SELECT * FROM sessions WHERE sid = ?').bind(sid).first()
}

describe('refresh', () => {
  test('exchanges both tokens, or the refresh token alone, once', async () => {
    const { guid, access, refresh } = await open()
    const second = await ok(tessera.refresh({ access, refresh }, FACTS))
    expect(claimsOf(second.access)).toMatchObject({ guid, iss: ORIGIN })
    const third = await ok(tessera.refresh({ refresh: second.refresh }, FACTS))
    // What came over HTTP goes on over a binding, and back.
    expect((await refreshByJson(third.refresh, {}, addressed)).status).toBe(200)
    at(11)
    expect(await tessera.refresh({ refresh: third.refresh }, FACTS)).toEqual(
      refusal('token_used', 401, 'Token used before'),
    )
    expect(linesOf(logged, 'refused')).toMatchObject([{ cause: 'reused', guid, route: 'rpc/refresh' }])
    expect(linesOf(logged, 'session_ended')).toMatchObject([{ guid, reason: 'reuse' }])
  })

  test('refuses tokens of two pairs', async () => {
    const [one, two] = [await open(), await open()]
    const answer = await tessera.refresh({ access: one.access, refresh: two.refresh }, FACTS)
    expect(answer).toEqual(refusal('token_pair_not_valid', 401, 'Not valid token pair'))
    expect(await tessera.refresh({ refresh: two.refresh }, FACTS)).toMatchObject({ ok: true })
  })

  test('ends a session that moved, by the place that the caller names', async () => {
    const { sid, refresh } = await open()
    const answer = await tessera.refresh({ refresh }, { ...FACTS, ip: ELSEWHERE })
    expect(answer).toEqual(refusal('location_blocked', 401, "You're location is blocked"))
    expect(await endOf(sid)).toMatchObject({ revoked_reason: 'location' })
  })

  test.each<readonly [what: string, pair: unknown, caller: unknown, fields: readonly string[]]>([
    ['no pair', undefined, FACTS, ['pair']],
    ['a token in the place of a pair', 'a.b.c', FACTS, ['pair']],
    ['an access token alone', { access: 'a.b.c' }, FACTS, ['refresh']],
    ['a caller that is none', { refresh: 'a.b.c' }, null, ['caller']],
    ['a proof by itself', { refresh: 'a.b.c' }, { ...FACTS, dpop: 'a.b.c' }, ['dpop']],
    ['a proof for no request', { refresh: 'a.b.c' }, { ...FACTS, dpop: { proof: 'a.b.c' } }, ['dpop']],
  ])('refuses %s, and says what is wrong', async (_what, pair, caller, fields) => {
    const answer = await tessera.refresh(pair as never, caller as never)
    expect(answer).toMatchObject({ ...MALFORMED, errors: expect.anything() as unknown })
    expect([...new Set(Object.keys('errors' in answer ? (answer.errors ?? {}) : {}))]).toEqual(fields)
  })

  test('of a session that is bound to a key wants a proof of it, for the request that its client sent', async () => {
    const client = await createProvingClient()
    const url = 'https://api.example.com/refresh'
    const { guid, email } = await createAccount(env.DB)
    const headers = { DPoP: await client.prove('POST', `${ORIGIN}/auth/token`, T0) }
    const credentials = { primary_email: email, password: PASSWORD }
    const signedIn = await post('/auth/token', credentials, { headers }, addressed)
    const { refresh } = await signedIn.json<{ refresh: string }>()

    const required = refusal('dpop_proof_not_valid', 401, 'Not valid DPoP proof')
    expect(await tessera.refresh({ refresh }, FACTS)).toEqual(required)
    const elsewhere = { proof: await client.prove('POST', 'https://evil.example.com/', T0), method: 'POST', url }
    expect(await tessera.refresh({ refresh }, { ...FACTS, dpop: elsewhere })).toEqual(required)
    const dpop = { proof: await client.prove('POST', url, T0), method: 'POST', url: `${url}?tab=2` }
    const next = await ok(tessera.refresh({ refresh }, { ...FACTS, ip: ELSEWHERE, dpop }))
    expect(next).toMatchObject({ isBound: true, account: { guid } })
    expect(linesOf(logged, 'refused')).toMatchObject([
      { cause: 'unproven', route: 'rpc/refresh' },
      { cause: 'proof target', route: 'rpc/refresh' },
    ])
  })

  test('of a session that is bound to its browser is for that browser alone, and ends nothing', async () => {
    const offering = startWorker({ PUBLIC_URL: ORIGIN, DEVICE_BINDING: 'offer' })
    const client = await createProvingClient()
    const opened = await offering.call(`/${crypto.randomUUID()}`)
    const jar = pairOf(opened)
    expect((await acceptOffer(offering, client, opened, jar)).status).toBe(200)
    const pair = { access: jar.access_token, refresh: jar.refresh_token }
    const required = refusal('device_proof_required', 403, 'Device proof required')
    expect(await bindTo(offering).refresh(pair, FACTS)).toEqual(required)
    at(300)
    expect(await bindTo(offering).refresh(pair, FACTS)).toEqual(required)
    expect(await endOf(String(claimsOf(pair.refresh)['sid']))).toMatchObject({ revoked_at: null })
  })
})

describe('revokeUser', () => {
  test('ends every session of an account, and leaves a row in the ledger under the name of the binding', async () => {
    const { guid, sid } = await open()
    const other = await open(guid)
    expect(await tessera.revokeUser(guid, { client: FACTS })).toEqual({ ok: true })
    for (const { access } of [other, { access: other.access }])
      expect(await tessera.introspect(access)).toMatchObject({ introspection: { active: false } })
    expect(await tessera.revokeUser(guid)).toEqual({ ok: true })
    const ledger = await admin('GET', `/audit?guid=${guid}`, undefined, addressed)
    const { entries } = await ledger.json<{ entries: readonly unknown[] }>()
    const act = { actor: 'binding:orders-api', action: 'sessions_ended', guid }
    expect(entries).toMatchObject([
      { ...act, ip: '::', country: null, user_agent: null },
      { ...act, ip: HOME, country: 'IS', asn: 64_496, city: 'Reykjavík', user_agent: 'curl/8.9.1' },
    ])
    expect(linesOf(logged, 'sessions_ended')).toMatchObject([
      { guid, reason: 'operator' },
      { guid, reason: 'operator' },
    ])
    expect(sid).not.toBe(other.sid)
  })

  test('says where there is no such account, and what is malformed', async () => {
    expect(await tessera.revokeUser(crypto.randomUUID())).toEqual(refusal('not_found', 404, 'Not found'))
    expect(await tessera.revokeUser('me')).toMatchObject({
      ...MALFORMED,
      errors: { guid: expect.anything() as unknown },
    })
    const { guid, sid } = await open()
    const answer = await tessera.revokeUser(guid, { client: { ip: 'x' } })
    expect(answer).toMatchObject({ ...MALFORMED, errors: { client: expect.anything() as unknown } })
    expect(await endOf(sid)).toMatchObject({ revoked_at: null })
  })
})

describe('our own trouble', () => {
  const faulty = faultyDatabase(env.DB)
  const troubled = startWorker({ PUBLIC_URL: ORIGIN, DB: faulty.database })

  test.each(FAULTS)('of D1 (%s) is unavailable, never a verdict on a token', async (fault) => {
    skipPauses()
    const session = await openByGuid(undefined, {}, troubled)
    const binding = bindTo(troubled)
    faulty.failForGood(fault === 'after' ? 'before' : fault)
    const calls = [
      binding.introspect(session.access),
      binding.issue(session.guid, FACTS),
      binding.revokeUser(session.guid),
      binding.refresh({ refresh: session.refresh }, FACTS),
    ]
    for (const answer of await Promise.all(calls)) {
      expect(answer).toMatchObject(refusal('unavailable', 503, 'Service unavailable'))
      expect('retryAfterSeconds' in answer && answer.retryAfterSeconds).toBeGreaterThan(0)
    }
    faulty.heal()
    expect(linesOf(logged, 'refused').length).toBeGreaterThanOrEqual(4)
  })

  test('of any other kind is internal, and explained in the log alone', async () => {
    const broken = startWorker({ PUBLIC_URL: ORIGIN })
    const binding = bindTo(broken)
    await binding.keys()
    const { readyRuntime } = await import('../../../src/services.ts')
    const { sessions } = readyRuntime(broken.bindings)?.services ?? {}
    Object.assign(sessions ?? {}, {
      find: async () => {
        throw new RangeError('a secret detail')
      },
    })
    expect(await binding.introspect((await open()).access)).toEqual(refusal('internal', 500, 'Internal server error'))
    expect(linesOf(logged, 'refused')).toMatchObject([
      { code: 'internal', route: 'rpc/introspect', cause: expect.stringContaining('a secret detail') as unknown },
    ])
  })

  test('of a deployment that cannot start is unavailable, and the log says why', async () => {
    const binding = bindTo(startWorker({ AUTH_SECRET: 'short' }))
    expect(await binding.keys()).toEqual(refusal('unavailable', 503, 'Service unavailable'))
    expect(logged.mock.calls).toEqual([[expect.stringContaining('AUTH_SECRET')]])
  })

  test('of a deployment that does not know its address is unavailable for tokens, which would have no issuer', async () => {
    const nameless = startWorker()
    const { access, refresh, guid } = await openByGuid(undefined, {}, nameless)
    const binding = bindTo(nameless)
    expect(await binding.verify(access)).toMatchObject({ ok: true })
    logged.mockClear()
    const unavailable = refusal('unavailable', 503, 'Service unavailable')
    expect(await binding.issue(guid, FACTS)).toEqual(unavailable)
    expect(await binding.refresh({ refresh }, FACTS)).toEqual(unavailable)
    expect(await binding.revokeUser(guid)).toEqual(unavailable)
    expect(linesOf(logged, 'refused').map((line) => (line as { cause: string }).cause)).toEqual(
      Array.from({ length: 3 }, () => 'PUBLIC_URL is missing'),
    )
  })
})

test('events of a call are sent after its answer', async () => {
  const followed = startFollowed({ PUBLIC_URL: ORIGIN })
  const guid = crypto.randomUUID()
  const { refresh } = await ok(bindTo(followed).issue(guid, FACTS))
  await bindTo(followed).refresh({ refresh }, { ...FACTS, ip: ELSEWHERE })
  await bindTo(followed).revokeUser(guid)
  expect(followed.messages().map(({ type }) => type)).toEqual([
    'registered',
    'signed_in',
    'session_blocked',
    'session_ended',
    'sessions_ended',
  ])
})

test('the issuer is the address of the deployment, with its prefix', async () => {
  const binding = bindTo(startWorker({ PUBLIC_URL: ORIGIN, BASE_PATH: '/auth-service' }))
  const { access } = await ok(binding.issue(crypto.randomUUID(), FACTS))
  expect(claimsOf(access)).toMatchObject({ iss: `${ORIGIN}/auth-service` })
})
