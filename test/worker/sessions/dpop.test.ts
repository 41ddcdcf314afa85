/** Sessions of the JSON transport that are bound to a key: whoever has their tokens, and not the key, has nothing. */

import * as DPoP from 'dpop'
import { env } from 'cloudflare:workers'
import * as oauth from 'oauth4webapi'
import { beforeEach, describe, expect, test } from 'vitest'

import { createAccount, dumpTables, emptyTables, HASHES, PASSWORD } from '../../support/accounts.ts'
import { answer, NO_ACCOUNT, problem, USED } from '../../support/answers.ts'
import { at, stopClock, T0 } from '../../support/clock.ts'
import { callWithoutDatabase } from '../../support/counted-worker.ts'
import { countRoundTrips } from '../../support/counting-database.ts'
import { createProvingClient, type ProofChanges, type ProvingClient } from '../../support/dpop.ts'
import { faultyDatabase, skipPauses } from '../../support/faulty-bindings.ts'
import { decodeToken } from '../../support/forge.ts'
import { keepLog } from '../../support/log.ts'
import { bearer, introspect, post, refreshByCookies, refreshByJson, signInByJson } from '../../support/requests.ts'
import { endOf, LIVE, notificationsFor, openByGuid, sessionRow } from '../../support/sessions.ts'
import type { Cause } from '../../../src/log.ts'
import { ELSEWHERE, HOME, ORIGIN, startWorker, type TestWorker, worker } from '../../support/worker.ts'

stopClock()
const logged = keepLog('warn')
beforeEach(() => emptyTables(env.DB))

const NOT_PROVEN = problem(401, 'Unauthorized', 'Not valid DPoP proof', 'dpop_proof_not_valid', {
  headers: { 'www-authenticate': 'DPoP error="invalid_dpop_proof", algs="ES256"' },
})
const TOKEN_URL = `${ORIGIN}/auth/token`
const REFRESH_URL = `${ORIGIN}/auth/token/refresh`

interface BoundTokens {
  readonly access: string
  readonly refresh: string
}

let seconds = 0
function passTo(second: number) {
  seconds = second
  at(second)
}
beforeEach(() => passTo(0))

/** A sign-in with a proof. */
async function signInProving(
  client: ProvingClient,
  email: string | null,
  changes: ProofChanges = {},
  password = PASSWORD,
) {
  const proof = await client.prove('POST', TOKEN_URL, T0 + seconds, changes)
  return post('/auth/token', { primary_email: email, password }, { headers: { DPoP: proof } })
}

interface Refreshing {
  readonly changes?: ProofChanges
  readonly ip?: string
  readonly cf?: Partial<IncomingRequestCfProperties>
  readonly by?: TestWorker
}

async function refreshProving(client: ProvingClient, refresh: string, { changes = {}, ip, cf, by }: Refreshing = {}) {
  const proof = await client.prove('POST', REFRESH_URL, T0 + seconds, changes)
  return refreshByJson(
    refresh,
    { headers: { DPoP: proof }, ...(ip !== undefined && { ip }), ...(cf !== undefined && { cf }) },
    by,
  )
}

async function tokensOf(response: Response): Promise<BoundTokens> {
  expect(response.status).toBe(200)
  return response.json<BoundTokens>()
}

/** A session that is bound to the key of a client of its own. */
async function openBound() {
  const client = await createProvingClient()
  const account = await createAccount(env.DB)
  const tokens = await tokensOf(await signInProving(client, account.email))
  const sid = String(decodeToken(tokens.access).payload['sid'])
  return { client, account, sid, ...tokens }
}

/** The mails about a session, beside the one about its sign-in. */
async function toldAbout(sid: string) {
  return (await notificationsFor(sid))?.filter(({ kind }) => kind !== 'new_sign_in')
}

/** Sees that something is refused for its proof, and that nothing is written. */
async function refusedWithoutTrace(ask: () => Promise<Response>) {
  const before = await dumpTables(env.DB)
  expect(await answer(await ask())).toEqual(NOT_PROVEN)
  expect(await dumpTables(env.DB)).toEqual(before)
}

describe('a sign-in with a proof', () => {
  test('binds its session, and says so', async () => {
    const client = await createProvingClient()
    const account = await createAccount(env.DB)
    const { email } = account
    const response = await signInProving(client, email)
    const body = await response.json<BoundTokens>()
    expect(body).toEqual({
      access: expect.any(String),
      refresh: expect.any(String),
      email,
      user_id: account.id,
      group: 'user',
      token_type: 'DPoP',
    })
    const { payload } = decodeToken(body.access)
    // The access token stays a bearer token, of which no verifier has to know anything.
    expect(payload).not.toHaveProperty('cnf')
    expect(await sessionRow(String(payload['sid']))).toMatchObject({
      bound_by: 'dpop',
      bound_key: `${client.jwk.x}.${client.jwk.y}`,
    })
  })

  test('that is not good opens nothing, and counts no failure, whatever the password', async () => {
    const client = await createProvingClient()
    const { email } = await createAccount(env.DB)
    for (const password of [PASSWORD, 'wrong']) {
      await refusedWithoutTrace(() => signInProving(client, email, { payload: { htm: 'GET' } }, password))
    }
    expect(logged).toHaveBeenCalledWith({
      event: 'refused',
      code: 'dpop_proof_not_valid',
      status: 401,
      cause: 'proof target',
      route: '/auth/token',
    })
  })

  test('that is not good asks the database nothing, and so tells nothing of the password', async () => {
    const client = await createProvingClient()
    const headers = { DPoP: await client.prove('POST', REFRESH_URL, T0) }
    const json = { primary_email: 'anybody@example.com', password: PASSWORD }
    expect(await callWithoutDatabase('/auth/token', { method: 'POST', json, headers })).toEqual(NOT_PROVEN)
  })

  test('and a wrong password is a wrong password', async () => {
    const client = await createProvingClient()
    const { email } = await createAccount(env.DB)
    expect(await answer(await signInProving(client, email, {}, 'wrong'))).toEqual(NO_ACCOUNT)
  })

  test('binds where it replaces the hash of another system as well', async () => {
    const client = await createProvingClient()
    const { email } = await createAccount(env.DB, { passwordHash: HASHES.pbkdf2Sha256 })
    const { refresh } = await tokensOf(await signInProving(client, email))
    expect(await answer(await refreshByJson(refresh))).toEqual(NOT_PROVEN)
  })
})

describe('a bound session is refreshed', () => {
  test('with a proof of its key, in one round trip, and is bound on', async () => {
    const counting = countRoundTrips(env.DB)
    const by = startWorker({ DB: counting.database })
    const { client, refresh } = await openBound()
    await refreshByJson(refresh, {}, by)
    counting.reset()
    const response = await refreshProving(client, refresh, { by })
    const next = await response.clone().json<BoundTokens>()
    expect([response.status, counting.roundTrips()]).toEqual([200, 1])
    expect(await response.json()).toMatchObject({ token_type: 'DPoP' })
    expect(counting.statements().reduce((sum, { rowsWritten }) => sum + rowsWritten, 0)).toBe(1)

    await refusedWithoutTrace(() => refreshByJson(next.refresh))
    expect((await refreshProving(client, next.refresh)).status).toBe(200)
  })

  test.each<[string, Cause, (bound: Awaited<ReturnType<typeof openBound>>) => Promise<Response>]>([
    ['without a proof', 'unproven', ({ refresh }) => refreshByJson(refresh)],
    ['without a proof, from another place', 'unproven', ({ refresh }) => refreshByJson(refresh, { ip: ELSEWHERE })],
    ['with an empty proof', 'proof form', ({ refresh }) => refreshByJson(refresh, { headers: { DPoP: '' } })],
    [
      'with the proof of its sign-in',
      'proof target',
      async ({ client, refresh }) => refreshProving(client, refresh, { changes: { payload: { htu: TOKEN_URL } } }),
    ],
    [
      'with a proof for another method',
      'proof target',
      ({ client, refresh }) => refreshProving(client, refresh, { changes: { payload: { htm: 'GET' } } }),
    ],
    [
      'with a proof for another host',
      'proof target',
      ({ client, refresh }) =>
        refreshProving(client, refresh, { changes: { payload: { htu: 'https://evil.example/auth/token/refresh' } } }),
    ],
    [
      'with a proof of yesterday',
      'proof time',
      ({ client, refresh }) => refreshProving(client, refresh, { changes: { payload: { iat: T0 - 86_400 } } }),
    ],
    [
      'with a proof of tomorrow',
      'proof time',
      ({ client, refresh }) => refreshProving(client, refresh, { changes: { payload: { iat: T0 + 86_400 } } }),
    ],
    [
      'with two proofs',
      'proof form',
      async ({ client, refresh }) => {
        const headers = new Headers()
        for (let i = 0; i < 2; i += 1) headers.append('DPoP', await client.prove('POST', REFRESH_URL, T0))
        return refreshByJson(refresh, { headers })
      },
    ],
    [
      'by cookies',
      'unproven',
      async ({ access, refresh }) =>
        refreshByCookies({ access_token: access, refresh_token: refresh }, { headers: { Accept: 'application/json' } }),
    ],
  ])('not %s, and nothing is consumed', async (_how, cause, ask) => {
    const bound = await openBound()
    await refusedWithoutTrace(() => ask(bound))
    const line = { code: 'dpop_proof_not_valid', cause, guid: bound.account.guid, sid: bound.sid }
    expect(logged).toHaveBeenCalledWith(expect.objectContaining(line))
    expect(await endOf(bound.sid)).toEqual(LIVE)
    expect((await refreshProving(bound.client, bound.refresh)).status).toBe(200)
  })

  test('not with a good proof of another key: nothing is consumed, and its owner is told, once', async () => {
    const { client, sid, account, refresh } = await openBound()
    const thief = await createProvingClient()
    for (let i = 0; i < 2; i += 1) {
      expect(await answer(await refreshProving(thief, refresh, { ip: ELSEWHERE }))).toEqual(NOT_PROVEN)
    }
    expect(await toldAbout(sid)).toMatchObject([{ kind: 'other_key', recipient: account.email }])
    expect(logged).toHaveBeenCalledWith({
      event: 'refused',
      code: 'dpop_proof_not_valid',
      status: 401,
      cause: 'other_key',
      guid: account.guid,
      sid,
      route: '/auth/token/refresh',
    })
    expect(await endOf(sid)).toEqual(LIVE)
    expect((await refreshProving(client, refresh)).status).toBe(200)
  })

  test('whose mail is on its way at once', async () => {
    const sent: unknown[] = []
    const by = startWorker({ MAIL_QUEUE: { send: async (body: unknown) => void sent.push(body) } })
    const { sid, account, refresh } = await openBound()
    await refreshProving(await createProvingClient(), refresh, { by })
    const [mail] = (await toldAbout(sid)) ?? []
    expect(sent).toEqual([{ id: mail?.['id'], account: account.id }])
  })

  test('not by whoever has a used token and not the key, who ends nothing and tells nobody', async () => {
    const { client, sid, refresh } = await openBound()
    const next = await tokensOf(await refreshProving(client, refresh))
    passTo(100)
    await refusedWithoutTrace(() => refreshByJson(refresh))
    await refusedWithoutTrace(() => refreshByJson(refresh, { ip: ELSEWHERE }))
    expect(await toldAbout(sid)).toEqual([])
    expect((await refreshProving(client, next.refresh)).status).toBe(200)
  })

  test('from every place, which its owner sees', async () => {
    const { client, sid, refresh } = await openBound()
    const home = await tokensOf(await refreshProving(client, refresh, { cf: { asn: 64_496, country: 'IS' } }))
    expect(await sessionRow(sid)).toMatchObject({ asn: 64_496, country: 'IS' })
    const away = await tokensOf(await refreshProving(client, home.refresh, { ip: ELSEWHERE }))
    expect(await sessionRow(sid)).toMatchObject({
      ip: ELSEWHERE,
      asn: null,
      country: null,
      visit_ip: null,
      revoked_at: null,
    })
    const listed = await worker.call('/auth/sessions', { headers: bearer(away.access), ip: ELSEWHERE })
    expect(await listed.json()).toMatchObject([{ sid, ip: ELSEWHERE, bound: 'dpop', current: true }])
    expect((await refreshProving(client, away.refresh)).status).toBe(200)
    expect(await toldAbout(sid)).toEqual([])
  })

  test('again, however late, where the answer was lost: until the next token is used', async () => {
    const { client, sid, refresh } = await openBound()
    const lost = await tokensOf(await refreshProving(client, refresh))
    passTo(40_000)
    const healed = await tokensOf(await refreshProving(client, refresh))
    expect(healed.refresh).toBe(lost.refresh)
    // Its access token begins anew: the lost one is over.
    expect((await worker.call('/auth/me', { headers: bearer(healed.access) })).status).toBe(200)
    expect((await refreshProving(client, healed.refresh)).status).toBe(200)

    passTo(40_100)
    expect(await answer(await refreshProving(client, refresh))).toEqual(USED)
    expect(await endOf(sid)).toMatchObject({ revoked_reason: 'reuse' })
  })

  test('not by a copy of the request that refreshed it, from anywhere', async () => {
    const { client, sid, refresh } = await openBound()
    const proof = await client.prove('POST', REFRESH_URL, T0)
    const next = await tokensOf(await refreshByJson(refresh, { headers: { DPoP: proof } }))
    passTo(59)
    for (const ip of [HOME, ELSEWHERE]) {
      await refusedWithoutTrace(() => refreshByJson(refresh, { headers: { DPoP: proof }, ip }))
    }
    expect(logged).toHaveBeenCalledWith(expect.objectContaining({ cause: 'proof_used', sid }))
    expect((await refreshProving(client, next.refresh)).status).toBe(200)
  })

  test('by eight at once, who all get one pair', async () => {
    const { client, refresh } = await openBound()
    const answers = await Promise.all(Array.from({ length: 8 }, () => refreshProving(client, refresh)))
    const pairs = await Promise.all(answers.map(tokensOf))
    expect(new Set(pairs.map((pair) => pair.refresh)).size).toBe(1)
  })

  test('after an outage of D1, which is 503 and no refusal', async () => {
    const d1 = faultyDatabase(env.DB)
    const by = startWorker({ DB: d1.database })
    const { client, refresh } = await openBound()
    skipPauses()
    d1.failForGood('before')
    const failed = await refreshProving(client, refresh, { by })
    expect([failed.status, failed.headers.has('Retry-After')]).toEqual([503, true])
    d1.heal()
    expect((await refreshProving(client, refresh, { by })).status).toBe(200)
  })
})

test('a session that is bound to no key asks for no proof, and looks at none', async () => {
  const { refresh } = await openByGuid()
  const client = await createProvingClient()
  const next = await tokensOf(await refreshByJson(refresh, { headers: { DPoP: 'nonsense' } }))
  expect((await refreshProving(client, next.refresh)).status).toBe(200)
  expect(await answer(await refreshProving(client, next.refresh, { ip: ELSEWHERE }))).toMatchObject({ status: 401 })
})

test('a bound session that ended is over, with its key and without', async () => {
  const { client, access, refresh } = await openBound()
  await worker.call('/auth/token/revoke', { method: 'POST', json: { token: access } })
  expect(await answer(await refreshByJson(refresh))).toEqual(USED)
  expect(await answer(await refreshByJson(refresh, { headers: { DPoP: 'nonsense' } }))).toEqual(USED)
  expect(logged).toHaveBeenLastCalledWith(expect.objectContaining({ cause: 'ended' }))
  expect(await answer(await refreshProving(client, refresh))).toEqual(USED)
})

test('introspection names the key, of a bound session alone', async () => {
  const { client, access, refresh } = await openBound()
  for (const token of [access, refresh]) {
    expect(JSON.parse((await introspect(token)).body)).toMatchObject({ active: true, cnf: { jkt: client.thumbprint } })
  }
  expect(JSON.parse((await introspect((await openByGuid()).access)).body)).not.toHaveProperty('cnf')
})

test('the URL of a proof is below PUBLIC_URL and BASE_PATH, whatever host is asked', async () => {
  const mounted = startWorker({
    PUBLIC_URL: 'https://example.com',
    BASE_PATH: '/auth-service',
    ISSUE_ACCESS: 'service',
  })
  const origin = 'https://example.com'
  const client = await createProvingClient()
  const { email } = await createAccount(env.DB)
  const json = { primary_email: email, password: PASSWORD }
  const signIn = async (url: string, asked = origin) => {
    const headers = { DPoP: await client.prove('POST', url, T0) }
    return mounted.call('/auth-service/auth/token', { method: 'POST', json, origin: asked, headers })
  }
  expect((await signIn('https://example.com/auth/token')).status).toBe(401)
  expect((await signIn('https://example.com/auth-service/auth/token')).status).toBe(200)
  // A proxy in front may ask by http.
  expect((await signIn('http://example.com/auth-service/auth/token', 'http://example.com')).status).toBe(401)
  expect((await signIn('https://example.com/auth-service/auth/token', 'http://example.com')).status).toBe(200)
})

function callByOauth(pair: CryptoKeyPair, path: string, json: unknown): Promise<Response> {
  return oauth.protectedResourceRequest(
    'unused',
    'POST',
    new URL(`${ORIGIN}${path}`),
    new Headers({ 'Content-Type': 'application/json' }),
    JSON.stringify(json),
    {
      DPoP: oauth.DPoP({}, pair),
      [oauth.customFetch]: (url: string, { method, headers }: { method: string; headers: HeadersInit }) =>
        worker.call(new URL(url).pathname, { method, headers, json }),
    },
  )
}

describe('clients that others wrote:', () => {
  test('dpop signs in and refreshes', async () => {
    passTo(Math.round(Date.now() / 1000) - T0)
    const { email } = await createAccount(env.DB)
    const keys = await DPoP.generateKeyPair('ES256')
    const json = { primary_email: email, password: PASSWORD }
    const signedIn = await post('/auth/token', json, {
      headers: { DPoP: await DPoP.generateProof(keys, TOKEN_URL, 'POST') },
    })
    const { refresh } = await tokensOf(signedIn)
    expect(await answer(await refreshByJson(refresh))).toEqual(NOT_PROVEN)
    const headers = { DPoP: await DPoP.generateProof(keys, REFRESH_URL, 'POST') }
    expect((await refreshByJson(refresh, { headers })).status).toBe(200)
  })

  test('oauth4webapi refreshes, and reads why it may not', async () => {
    const { email } = await createAccount(env.DB)
    const keys = await oauth.generateKeyPair('ES256')
    const { refresh } = await tokensOf(
      await callByOauth(keys, '/auth/token', { primary_email: email, password: PASSWORD }),
    )
    const error: unknown = await callByOauth(await oauth.generateKeyPair('ES256'), '/auth/token/refresh', {
      refresh,
    }).catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(oauth.WWWAuthenticateChallengeError)
    expect((error as oauth.WWWAuthenticateChallengeError).cause).toMatchObject([
      { scheme: 'dpop', parameters: { error: 'invalid_dpop_proof', algs: 'ES256' } },
    ])
    expect((await callByOauth(keys, '/auth/token/refresh', { refresh })).status).toBe(200)
  })
})

test('a sign-in without a proof is what it was', async () => {
  const { email } = await createAccount(env.DB)
  const body = await (await signInByJson(email)).json<Record<string, unknown>>()
  expect(Object.keys(body)).toEqual(['access', 'refresh', 'email', 'user_id', 'group'])
})
