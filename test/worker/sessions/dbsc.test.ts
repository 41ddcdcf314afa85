/** Sessions that a browser has bound to a key of its device: whoever has its cookies, and not the key, has nothing when the next one is due. */

import { env } from 'cloudflare:workers'
import { beforeEach, describe, expect, test } from 'vitest'

import { createAccount, dumpTables, emptyTables, PASSWORD } from '../../support/accounts.ts'
import { answer, problem } from '../../support/answers.ts'
import { at, stopClock, T0 } from '../../support/clock.ts'
import { countRoundTrips } from '../../support/counting-database.ts'
import {
  acceptOffer,
  challengeOf,
  type Jar,
  offerOf,
  refreshByDevice,
  register,
  signChallenge,
} from '../../support/dbsc.ts'
import { createProvingClient, type ProvingClient } from '../../support/dpop.ts'
import { decodeToken, twinOf } from '../../support/forge.ts'
import { keepLog } from '../../support/log.ts'
import { endOf, LIVE, notificationsFor, sessionRow } from '../../support/sessions.ts'
import {
  type CallOptions,
  ELSEWHERE,
  ORIGIN,
  type Overrides,
  pairOf,
  setCookies,
  startWorker,
  type TestWorker,
} from '../../support/worker.ts'

stopClock()
const logged = keepLog('warn')
beforeEach(() => emptyTables(env.DB))

const counting = countRoundTrips(env.DB)
const offering = startWorker({ DEVICE_BINDING: 'offer', DB: counting.database })

async function signIn(by: TestWorker = offering) {
  const account = await createAccount(env.DB)
  const response = await by.call('/auth/session', {
    method: 'POST',
    json: { primary_email: account.email, password: PASSWORD },
  })
  expect(response.status).toBe(200)
  const cookies = pairOf(response)
  return { account, response, cookies, sid: String(decodeToken(cookies.access_token).payload['sid']) }
}

/** A session that the browser of a client has bound. */
async function openBound(by: TestWorker = offering) {
  const client = await createProvingClient()
  const opened = await signIn(by)
  const registered = await acceptOffer(by, client, opened.response, opened.cookies)
  expect(registered.status).toBe(200)
  return { client, registered, ...opened }
}

/** A refresh by both halves. */
async function prove(client: ProvingClient, jar: Jar, { by = offering, ip }: { by?: TestWorker; ip?: string } = {}) {
  const from = ip === undefined ? {} : { ip }
  const { challenge } = challengeOf(await refreshByDevice(by, jar, from))
  return refreshByDevice(by, jar, { proof: await signChallenge(client, challenge), ...from })
}

const MISSING = problem(401, 'Unauthorized', 'Access token is missing', 'token_missing').body
const PROOF_REQUIRED = problem(403, 'Forbidden', 'Device proof required', 'device_proof_required')

function attributesOf(response: Response, name: string): readonly string[] {
  return setCookies(response)[name]?.attributes ?? []
}

describe('a sign-in by cookies over https', () => {
  test('offers to bind its session', async () => {
    const { response } = await signIn()
    expect(offerOf(response)).toEqual({ path: '/auth/device', challenge: expect.any(String) })
  })

  test('by its guid does, and by a ticket that leads on', async () => {
    const { guid } = await createAccount(env.DB)
    expect(offerOf(await offering.call(`/${guid}`)).path).toBe('/auth/device')
    const ordered = await offering.call('/auth/tickets', {
      method: 'POST',
      headers: { Authorization: `Bearer ${offering.bindings.SERVICE_KEY}` },
      json: { guid, to: '/' },
    })
    const { url } = await ordered.json<{ url: string }>()
    const followed = await offering.call(url.slice(ORIGIN.length))
    expect([followed.status, offerOf(followed).path]).toEqual([303, '/auth/device'])
  })

  test('by the form of the page does', async () => {
    const { email } = await createAccount(env.DB)
    const form = { primary_email: email ?? '', password: PASSWORD }
    const signedIn = await offering.call('/account/sign-in', {
      method: 'POST',
      body: new URLSearchParams(form),
      headers: { 'Sec-Fetch-Site': 'same-origin' },
    })
    expect([signedIn.status, offerOf(signedIn).path]).toEqual([303, '/auth/device'])
  })

  test('below a prefix offers the path there', async () => {
    const below = startWorker({ DEVICE_BINDING: 'offer', PUBLIC_URL: ORIGIN, BASE_PATH: '/tessera' })
    const { email } = await createAccount(env.DB)
    const json = { primary_email: email, password: PASSWORD }
    expect(offerOf(await below.call('/tessera/auth/session', { method: 'POST', json })).path).toBe(
      '/tessera/auth/device',
    )
  })

  const NOTHING: readonly (readonly [string, Overrides, CallOptions])[] = [
    ['DEVICE_BINDING is off', {}, {}],
    ['it is over http', { DEVICE_BINDING: 'offer' }, { origin: 'http://localhost' }],
  ]
  test.each(NOTHING)('offers nothing where %s', async (_why, overrides, options) => {
    const { email } = await createAccount(env.DB)
    const json = { primary_email: email, password: PASSWORD }
    const response = await startWorker(overrides).call('/auth/session', { method: 'POST', json, ...options })
    expect([response.status, response.headers.has('Secure-Session-Registration')]).toEqual([200, false])
  })

  test('by JSON offers nothing', async () => {
    const { email } = await createAccount(env.DB)
    const json = { primary_email: email, password: PASSWORD }
    const response = await offering.call('/auth/token', { method: 'POST', json })
    expect([response.status, response.headers.has('Secure-Session-Registration')]).toEqual([200, false])
  })
})

describe('a registration', () => {
  test('binds the session in one round trip, and tells the browser what waits for its key', async () => {
    const client = await createProvingClient()
    const { response, cookies, sid, account } = await signIn()
    at(10)
    counting.reset()
    const registered = await acceptOffer(offering, client, response, cookies)
    expect([registered.status, counting.roundTrips()]).toEqual([200, 1])
    expect(await registered.clone().json()).toEqual({
      session_identifier: sid,
      refresh_url: '/refresh/device',
      scope: {
        origin: ORIGIN,
        include_site: false,
        scope_specification: [
          { type: 'exclude', domain: '*', path: '/refresh/device' },
          { type: 'exclude', domain: '*', path: '/auth/device' },
        ],
      },
      allowed_refresh_initiators: [],
      credentials: [{ type: 'cookie', name: 'access_token', attributes: 'Path=/; Secure; HttpOnly; SameSite=Strict' }],
    })
    expect(setCookies(registered)).toEqual({
      access_token: {
        value: cookies.access_token,
        attributes: ['Max-Age=290', 'Path=/', 'HttpOnly', 'Secure', 'SameSite=Strict'],
      },
    })
    expect(await sessionRow(sid)).toMatchObject({ bound_by: 'dbsc', bound_key: `${client.jwk.x}.${client.jwk.y}` })
    expect(logged).toHaveBeenCalledWith(expect.objectContaining({ event: 'session_bound', guid: account.guid, sid }))
  })

  test.each([
    // Not the other site: with its links no refresh cookie comes along, and 401 would end the session.
    ['lax', ['app.example.com', 'www.example.com']],
    ['none', ['app.example.com', 'www.other.example', 'www.example.com']],
  ])(
    'names the cookie as the browser has it, and whose pages may have it refreshed: %s',
    async (sameSite, initiators) => {
      const shared = startWorker({
        DEVICE_BINDING: 'offer',
        PUBLIC_URL: 'https://auth.example.com',
        COOKIE_DOMAIN: 'example.com',
        COOKIE_SAMESITE: sameSite,
        CORS_ORIGINS: 'https://app.example.com,https://www.other.example:8443',
        RETURN_ORIGINS: 'https://app.example.com,https://www.example.com',
        ISSUE_ACCESS: 'service',
      })
      const { email } = await createAccount(env.DB)
      const json = { primary_email: email, password: PASSWORD }
      const origin = 'https://auth.example.com'
      const signedIn = await shared.call('/auth/session', { method: 'POST', json, origin })
      const client = await createProvingClient()
      const proof = await signChallenge(client, offerOf(signedIn).challenge, { jwk: client.jwk })
      const registered = await shared.call('/auth/device', {
        method: 'POST',
        origin,
        cookies: pairOf(signedIn),
        headers: { 'Secure-Session-Response': proof },
      })
      expect(await registered.json()).toMatchObject({
        scope: { origin },
        allowed_refresh_initiators: initiators,
        credentials: [
          {
            attributes: `Path=/; Domain=example.com; Secure; HttpOnly; SameSite=${sameSite === 'lax' ? 'Lax' : 'None'}`,
          },
        ],
      })
    },
  )

  test('that comes again, since its answer was lost, is answered again; of another key it is refused', async () => {
    const { client, response, cookies, sid } = await openBound()
    const before = await sessionRow(sid)
    const again = await acceptOffer(offering, client, response, cookies)
    expect(again.status).toBe(200)
    const other = await acceptOffer(offering, await createProvingClient(), response, cookies)
    expect(other.status).toBe(401)
    expect(await sessionRow(sid)).toEqual(before)
  })

  const REFUSED: readonly (readonly [
    string,
    string,
    (client: ProvingClient, challenge: string) => Promise<string | null>,
  ])[] = [
    ['without a proof', 'proof form', async () => null],
    ['of no JWT', 'proof form', async () => 'a.b.c'],
    ['without its key', 'proof key', (client, challenge) => signChallenge(client, challenge)],
    [
      'with a private key',
      'proof key',
      (client, challenge) => signChallenge(client, challenge, { jwk: { ...client.jwk, d: client.jwk.x } }),
    ],
    [
      'signed by another key',
      'proof signature',
      async (client, challenge) => signChallenge(await createProvingClient(), challenge, { jwk: client.jwk }),
    ],
    ['over no challenge of ours', 'challenge', (client) => signChallenge(client, 'challenge', { jwk: client.jwk })],
    [
      'of another type',
      'proof header',
      (client, challenge) => signChallenge(client, challenge, { jwk: client.jwk, typ: 'dpop+jwt' }),
    ],
    [
      'that asks for what we do not know',
      'proof header',
      (client, challenge) => signChallenge(client, challenge, { jwk: client.jwk, b64: true, crit: ['b64'] }),
    ],
    [
      'for another session',
      'challenge',
      async (client) => signChallenge(client, offerOf((await signIn()).response).challenge, { jwk: client.jwk }),
    ],
    [
      'over a token of ours that is no challenge',
      'challenge',
      async (client) => signChallenge(client, (await signIn()).cookies.refresh_token, { jwk: client.jwk }),
    ],
    [
      'over the challenge of a refresh',
      'challenge',
      async (client) => {
        const bound = await openBound()
        const { challenge } = challengeOf(await refreshByDevice(offering, bound.cookies))
        return signChallenge(client, challenge, { jwk: client.jwk })
      },
    ],
  ]
  test.each(REFUSED)('%s is refused, and binds nothing', async (_how, cause, proofFor) => {
    const client = await createProvingClient()
    const { response, cookies, sid } = await signIn()
    const proof = await proofFor(client, offerOf(response).challenge)
    const before = await dumpTables(env.DB)
    expect((await register(offering, cookies, proof)).status).toBe(400)
    expect(logged).toHaveBeenLastCalledWith(expect.objectContaining({ cause, sid, route: '/auth/device' }))
    expect(await dumpTables(env.DB)).toEqual(before)
  })

  test('is for five minutes, also where access tokens live longer', async () => {
    const lasting = startWorker({ DEVICE_BINDING: 'offer', ACCESS_TTL_SECONDS: '600' })
    const client = await createProvingClient()
    const { response, cookies } = await signIn(lasting)
    at(300)
    expect((await acceptOffer(lasting, client, response, cookies)).status).toBe(400)
    at(299)
    expect((await acceptOffer(lasting, client, response, cookies)).status).toBe(200)
  })

  test('without an access cookie is 401', async () => {
    expect((await register(offering, {}, 'proof')).status).toBe(401)
  })

  test.each<[string, string]>([
    ['that ended', 'UPDATE sessions SET revoked_at = ?1'],
    ['whose account is closed', 'UPDATE users SET is_active = 0 WHERE ?1 > 0'],
    ['of an account whose sessions were ended', 'UPDATE users SET ended_before = ?1'],
    [
      'whose account is another one by now',
      "UPDATE users SET guid = '00000000-0000-4000-8000-000000000000' WHERE ?1 > 0",
    ],
  ])('of a session %s is 401, and binds nothing', async (_which, statement) => {
    const client = await createProvingClient()
    const { response, cookies, sid } = await signIn()
    await env.DB.prepare(statement).bind(T0).run()
    expect((await acceptOffer(offering, client, response, cookies)).status).toBe(401)
    expect(await sessionRow(sid)).toMatchObject({ bound_key: null, bound_by: null })
  })
})

describe('a bound session', () => {
  test('is refreshed by a proof, in one round trip, and gets the next challenge with it', async () => {
    const { client, cookies, sid, registered } = await openBound()
    at(100)
    logged.mockClear()
    const asked = await refreshByDevice(offering, cookies)
    expect(logged).not.toHaveBeenCalled()
    expect(await answer(asked.clone())).toMatchObject({ status: 403, body: PROOF_REQUIRED.body })
    const { challenge, id } = challengeOf(asked)
    expect(id).toBe(sid)

    counting.reset()
    const proof = await signChallenge(client, challenge)
    const refreshed = await refreshByDevice(offering, cookies, { proof, sid })
    expect([refreshed.status, counting.roundTrips()]).toEqual([200, 1])
    expect(await refreshed.clone().json()).toEqual(await registered.json())
    expect(attributesOf(refreshed, 'access_token')).toContain('Max-Age=300')
    expect(attributesOf(refreshed, 'refresh_token')).toContain('Max-Age=864000')

    // The steady state is one request, however long the browser was closed.
    at(100 + 864_000 - 1)
    const next = challengeOf(refreshed)
    expect(next.id).toBe(sid)
    counting.reset()
    const again = await refreshByDevice(offering, pairOf(refreshed), {
      proof: await signChallenge(client, next.challenge),
    })
    expect([again.status, counting.roundTrips()]).toEqual([200, 1])
  })

  test('gives whoever has both cookies nothing, wherever they are, and goes on', async () => {
    const { client, cookies, sid } = await openBound()
    const before = await dumpTables(env.DB)
    at(301)
    for (const ip of [undefined, ELSEWHERE]) {
      const from = ip === undefined ? {} : { ip }
      const tries = [
        await refreshByDevice(offering, cookies, from),
        await offering.call('/refresh', { method: 'POST', cookies, ...from }),
        await offering.call('/refresh', { cookies, ...from }),
        await offering.call('/auth/token/refresh', {
          method: 'POST',
          json: { refresh: cookies.refresh_token },
          ...from,
        }),
      ]
      for (const one of tries) {
        expect([one.status, one.headers.getSetCookie()]).toEqual([403, []])
        expect(challengeOf(one).id).toBe(sid)
      }
    }
    expect(await dumpTables(env.DB)).toEqual(before)
    expect((await prove(client, cookies, { ip: ELSEWHERE })).status).toBe(200)
    expect(await endOf(sid)).toEqual(LIVE)
  })

  test('is asked for a proof at /refresh without an access cookie, which its browser has not kept', async () => {
    const { cookies, sid } = await openBound()
    const { refresh_token } = cookies
    for (const method of ['GET', 'POST']) {
      counting.reset()
      const asked = await offering.call('/refresh', { method, cookies: { refresh_token } })
      expect([asked.status, challengeOf(asked).id, counting.roundTrips()]).toEqual([403, sid, 1])
      expect(logged).toHaveBeenLastCalledWith(expect.objectContaining({ cause: 'unproven', route: '/refresh' }))
    }
  })

  test('tells its owner, once, when somebody signs its challenge by another key', async () => {
    const { client, cookies, sid, account } = await openBound()
    const thief = await createProvingClient()
    for (let i = 0; i < 2; i += 1) {
      const refused = await prove(thief, cookies, { ip: ELSEWHERE })
      expect([refused.status, refused.headers.getSetCookie(), challengeOf(refused).id]).toEqual([403, [], sid])
    }
    const mails = (await notificationsFor(sid))?.filter(({ kind }) => kind === 'other_key')
    expect(mails).toMatchObject([{ recipient: account.email }])
    expect(logged).toHaveBeenCalledWith(expect.objectContaining({ cause: 'other_key', sid, status: 403 }))
    expect(await endOf(sid)).toEqual(LIVE)
    expect((await prove(client, cookies)).status).toBe(200)
  })

  test('answers an application that refreshes by itself with nothing new while its access token is good', async () => {
    const { cookies } = await openBound()
    const before = await dumpTables(env.DB)
    at(299)
    for (const method of ['GET', 'POST']) {
      const fresh = await offering.call('/refresh', { method, cookies })
      expect([fresh.status, await fresh.text(), fresh.headers.getSetCookie()]).toEqual([200, '', []])
    }
    expect(await dumpTables(env.DB)).toEqual(before)
    at(300)
    expect((await offering.call('/refresh', { method: 'POST', cookies })).status).toBe(403)
  })

  const NOT_GOOD: readonly (readonly [
    string,
    string,
    (client: ProvingClient, challenge: string, cookies: Jar) => Promise<string>,
  ])[] = [
    ['of no JWT', 'proof form', async () => 'proof'],
    ['of another type', 'proof header', (client, challenge) => signChallenge(client, challenge, { typ: 'dpop+jwt' })],
    ['over no challenge of ours', 'challenge', (client) => signChallenge(client, 'challenge')],
    [
      'over the refresh token itself',
      'challenge',
      (client, _, { refresh_token }) => signChallenge(client, refresh_token),
    ],
    [
      'over the challenge of its registration',
      'challenge',
      async (client) => signChallenge(client, offerOf((await signIn()).response).challenge),
    ],
    [
      'over the challenge of another session',
      'challenge',
      async (client) => {
        const other = await openBound()
        return signChallenge(client, challengeOf(await refreshByDevice(offering, other.cookies)).challenge)
      },
    ],
  ]
  test.each(NOT_GOOD)('takes no proof %s, and asks for another one', async (_which, cause, proofFor) => {
    const { client, cookies, sid } = await openBound()
    const { challenge } = challengeOf(await refreshByDevice(offering, cookies))
    const proof = await proofFor(client, challenge, cookies)
    const before = await dumpTables(env.DB)
    const refused = await refreshByDevice(offering, cookies, { proof })
    expect([refused.status, challengeOf(refused).id]).toEqual([403, sid])
    expect(logged).toHaveBeenLastCalledWith(expect.objectContaining({ cause, sid, route: '/refresh/device' }))
    expect(await dumpTables(env.DB)).toEqual(before)
  })

  test('takes no challenge of another refresh token', async () => {
    const { client, cookies } = await openBound()
    const { challenge } = challengeOf(await refreshByDevice(offering, cookies))
    const next = pairOf(await refreshByDevice(offering, cookies, { proof: await signChallenge(client, challenge) }))
    const again = await refreshByDevice(offering, next, { proof: await signChallenge(client, challenge) })
    expect(again.status).toBe(403)
  })

  test('takes a challenge that was asked for within a minute', async () => {
    const { client, cookies } = await openBound()
    const { challenge } = challengeOf(await refreshByDevice(offering, cookies))
    const proof = await signChallenge(client, challenge)
    at(60)
    expect((await refreshByDevice(offering, cookies, { proof })).status).toBe(403)
    at(59)
    expect((await refreshByDevice(offering, cookies, { proof })).status).toBe(200)
  })

  test('heals a lost answer by proof, however late', async () => {
    const { client, cookies } = await openBound()
    const lost = pairOf(await prove(client, cookies))
    at(40_000)
    const healed = await prove(client, cookies)
    expect(pairOf(healed).refresh_token).toBe(lost.refresh_token)
    // Its access token begins anew, and the cookie with it.
    expect(attributesOf(healed, 'access_token')).toContain('Max-Age=300')
    const { iat } = decodeToken(pairOf(healed).access_token).payload
    expect(iat).toBe(T0 + 40_000)
  })

  test('gives a copy of a whole request nothing, also with the other signature that is as good', async () => {
    const { client, cookies, sid } = await openBound()
    const { challenge } = challengeOf(await refreshByDevice(offering, cookies))
    const proof = await signChallenge(client, challenge)
    expect((await refreshByDevice(offering, cookies, { proof })).status).toBe(200)
    for (const copy of [proof, twinOf(proof)]) {
      const refused = await refreshByDevice(offering, cookies, { proof: copy, ip: ELSEWHERE })
      expect([refused.status, refused.headers.getSetCookie()]).toEqual([403, []])
      expect(logged).toHaveBeenLastCalledWith(expect.objectContaining({ cause: 'proof_used', sid }))
    }
  })

  test('that is refreshed with an older token, and its key, is in two hands: it ends, and the mail says that it was bound', async () => {
    const { client, cookies, sid } = await openBound()
    const next = pairOf(await prove(client, cookies))
    expect((await prove(client, next)).status).toBe(200)
    expect((await prove(client, cookies)).status).toBe(401)
    expect(await endOf(sid)).toMatchObject({ revoked_reason: 'reuse' })
    const [mail] = (await notificationsFor(sid))?.filter(({ kind }) => kind === 'token_reused') ?? []
    expect(JSON.parse(String(mail?.['facts']))).toMatchObject({ isBound: true })
  })

  test('of before another sign-in is forgotten by its browser: 401, and no mail', async () => {
    const former = await openBound()
    const { cookies, sid } = await openBound()
    const { challenge } = challengeOf(await refreshByDevice(offering, cookies))
    const before = await dumpTables(env.DB)
    for (const proof of [null, await signChallenge(former.client, challenge)]) {
      expect((await refreshByDevice(offering, cookies, { proof, sid: former.sid })).status).toBe(401)
      expect(logged).toHaveBeenLastCalledWith(expect.objectContaining({ cause: 'another session', sid }))
    }
    expect(await dumpTables(env.DB)).toEqual(before)
  })

  test.each<[string, string]>([
    ['ended', 'UPDATE sessions SET revoked_at = ?1'],
    ['is gone', 'DELETE FROM sessions WHERE ?1 > 0'],
    ['is of a closed account', 'UPDATE users SET is_active = 0 WHERE ?1 > 0'],
  ])('that %s is over for its browser: 401', async (_how, statement) => {
    const { client, cookies } = await openBound()
    const { challenge } = challengeOf(await refreshByDevice(offering, cookies))
    await env.DB.prepare(statement).bind(T0).run()
    for (const proof of [null, await signChallenge(client, challenge)])
      expect((await refreshByDevice(offering, cookies, { proof })).status).toBe(401)
    // What such a browser asks of /refresh is answered as ever.
    const { refresh_token } = cookies
    const plain = await offering.call('/refresh', { method: 'POST', cookies: { refresh_token } })
    expect(await answer(plain)).toMatchObject({ status: 401, body: MISSING })
  })

  test('stays bound where DEVICE_BINDING is off by now', async () => {
    const { client, cookies } = await openBound()
    const off = startWorker()
    expect((await off.call('/refresh', { method: 'POST', cookies })).status).toBe(200)
    at(301)
    expect((await off.call('/refresh', { method: 'POST', cookies })).status).toBe(403)
    expect((await prove(client, cookies, { by: off })).status).toBe(200)
  })
})

describe('a session that is not bound', () => {
  test('gets nothing at /refresh/device, which needs no access token, and lives', async () => {
    const { cookies, sid } = await signIn()
    const bound = await openBound()
    const { challenge } = challengeOf(await refreshByDevice(offering, bound.cookies))
    const before = await dumpTables(env.DB)
    for (const proof of [null, await signChallenge(bound.client, challenge)]) {
      const refused = await refreshByDevice(offering, cookies, { proof })
      expect(await answer(refused)).toMatchObject({ status: 401, body: MISSING })
    }
    expect(await dumpTables(env.DB)).toEqual(before)
    expect(await endOf(sid)).toEqual(LIVE)
  })

  test('is asked for its access token at /refresh, and for nothing else', async () => {
    const { refresh_token } = (await signIn()).cookies
    const refused = await offering.call('/refresh', { method: 'POST', cookies: { refresh_token } })
    expect(await answer(refused)).toMatchObject({ status: 401, body: MISSING })
    expect(challengeOf(refused)).toEqual({ challenge: '', id: '' })
  })
})
