/** Own claims and external ids: in every access token, however it was asked for, and in introspection; never in the place of a claim of ours. */

import { env } from 'cloudflare:workers'
import { describe, expect, test } from 'vitest'

import { RESERVED_CLAIMS } from '../../../src/domain/operators/own-claims.ts'
import { GOOD_PASSWORD } from '../../support/account-life.ts'
import { at, stopClock, T0 } from '../../support/clock.ts'
import { keepLog } from '../../support/log.ts'
import { addUser, admin, changeUser, type UserAnswer } from '../../support/operators.ts'
import {
  introspect,
  post,
  refreshByCookies,
  refreshByJson,
  SERVICE,
  signInByJson,
  verify,
} from '../../support/requests.ts'
import { newRsaKey } from '../../support/rsa.ts'
import { openByGuid } from '../../support/sessions.ts'
import { pairOf, startWorker, worker } from '../../support/worker.ts'

stopClock()
keepLog('warn')

const CLAIMS = { tenant: 'acme', roles: ['writer', 'reader'], limits: { seats: 5, beta: true }, note: 'ü "\\ 日本' }
const OURS = ['iss', 'sub', 'id', 'guid', 'sid', 'jti', 'iat', 'exp', 'group', 'token_type']

/** What a token says, in UTF-8. */
function claimsOf(token: string): Readonly<Record<string, unknown>> {
  const [, payload = ''] = token.split('.')
  return JSON.parse(new TextDecoder().decode(Uint8Array.fromBase64(payload, { alphabet: 'base64url' }))) as Readonly<
    Record<string, unknown>
  >
}

async function withClaims(fields: Readonly<Record<string, unknown>> = {}) {
  return addUser({ claims: CLAIMS, external_id: `crm-${crypto.randomUUID()}`, password: GOOD_PASSWORD, ...fields })
}

/** What a token says beside the claims of ours. */
function ownClaims(token: string) {
  return Object.fromEntries(Object.entries(claimsOf(token)).filter(([name]) => !OURS.includes(name)))
}

function expected(user: UserAnswer) {
  return { ...CLAIMS, external_id: user['external_id'] }
}

/** Every way to get an access token. */
const WAYS: Readonly<Record<string, (user: UserAnswer) => Promise<string>>> = {
  'GET /{guid}': async ({ guid }) => (await openByGuid(guid)).access,
  'a ticket': async ({ guid }) => {
    const { url } = await (await post('/auth/tickets', { guid }, { headers: SERVICE })).json<{ url: string }>()
    return pairOf(await worker.call(new URL(url).pathname + new URL(url).search)).access_token
  },
  'POST /auth/token': async ({ email }) =>
    (await (await signInByJson(email, GOOD_PASSWORD)).json<{ access: string }>()).access,
  'POST /auth/session': async ({ email }) =>
    pairOf(await post('/auth/session', { primary_email: email, password: GOOD_PASSWORD })).access_token,
  'POST /auth/token/refresh': async ({ guid }) => {
    const { refresh } = await openByGuid(guid)
    return (await (await refreshByJson(refresh)).json<{ access: string }>()).access
  },
  'GET /refresh': async ({ guid }) => pairOf(await refreshByCookies((await openByGuid(guid)).cookies)).access_token,
  'POST /refresh': async ({ guid }) =>
    pairOf(await refreshByCookies((await openByGuid(guid)).cookies, { method: 'POST' })).access_token,
  'GET /refresh?to=/': async ({ guid }) => {
    const { cookies } = await openByGuid(guid)
    return pairOf(await worker.call('/refresh?to=%2F', { cookies })).access_token
  },
}

describe('own claims', () => {
  test.each(Object.keys(WAYS))('stand in the access token of %s', async (way) => {
    const user = await withClaims()
    const access = await WAYS[way]?.(user)
    expect(ownClaims(String(access))).toEqual(expected(user))
    expect((await verify(String(access))).status).toBe(200)
    expect(claimsOf(String(access))).toMatchObject({ sub: user.guid, guid: user.guid, id: user.user_id, group: 'user' })
  })

  test('stand in no refresh token', async () => {
    const { refresh } = await openByGuid((await withClaims()).guid)
    expect(Object.keys(claimsOf(refresh)).toSorted()).toEqual(
      ['iss', 'sub', 'id', 'guid', 'sid', 'jti', 'iat', 'exp', 'ip', 'token_type'].toSorted(),
    )
  })

  test('come back in a replay, byte for byte beside the signature', async () => {
    const replaying = startWorker({ REFRESH_REUSE_SECONDS: '10' })
    const user = await withClaims()
    const { refresh } = await openByGuid(user.guid)
    const [first, again] = [
      await (await refreshByJson(refresh, {}, replaying)).json<{ access: string }>(),
      await (await refreshByJson(refresh, {}, replaying)).json<{ access: string }>(),
    ]
    expect(ownClaims(first.access)).toEqual(expected(user))
    expect(again.access.split('.').slice(0, 2)).toEqual(first.access.split('.').slice(0, 2))
  })

  test('follow a change with the next refresh, and until then stay as they were', async () => {
    const user = await withClaims()
    const opened = await openByGuid(user.guid)
    await changeUser(user.guid, { claims: { tenant: 'other' }, external_id: null })
    expect((await verify(opened.access)).status).toBe(200)
    const { access } = await (await refreshByJson(opened.refresh)).json<{ access: string }>()
    expect(ownClaims(access)).toEqual({ tenant: 'other' })
  })

  test('stand in introspection as they are now, for either token, beside what it says of every account', async () => {
    const user = await withClaims()
    const { access, refresh, sid } = await openByGuid(user.guid)
    await changeUser(user.guid, { claims: { tenant: 'now' } })
    for (const token of [access, refresh]) {
      const { status, body } = await introspect(token)
      const { iss, exp, jti, ...rest } = JSON.parse(body) as Record<string, unknown>
      expect([status, iss, jti, typeof exp]).toEqual([200, claimsOf(token)['iss'], claimsOf(token)['jti'], 'number'])
      expect(rest).toEqual({
        tenant: 'now',
        external_id: user['external_id'],
        active: true,
        token_type: claimsOf(token)['token_type'],
        sub: user.guid,
        iat: T0,
        sid,
        user_id: user.user_id,
        group: 'user',
        username: user.email,
      })
    }
    await changeUser(user.guid, { active: false })
    expect((await introspect(access)).body).toBe('{"active":false}')
  })

  test('never stand in the place of a claim of ours, even where SQL wrote them', async () => {
    const user = await withClaims()
    // A token of ours need not have these two: where they stand they make it good for nothing.
    const names = Object.values(RESERVED_CLAIMS)
      .flat()
      .filter((name) => name !== 'nbf' && name !== 'aud')
    const hostile = JSON.stringify(Object.fromEntries(names.map((name) => [name, 'mine'])))
    await env.DB.prepare('UPDATE users SET own_claims = ? WHERE id = ?').bind(hostile, user.user_id).run()
    const { access, refresh } = await openByGuid(user.guid)
    const claims = claimsOf(access)
    expect(claims).toMatchObject({ cnf: 'mine', sub: user.guid, token_type: 'access' })
    for (const name of [...OURS, 'external_id']) expect(claims[name]).not.toBe('mine')
    expect((await refreshByJson(refresh)).status).toBe(200)
    at(1)
    const body = JSON.parse((await introspect(access)).body) as Record<string, unknown>
    expect(body).toMatchObject({ active: true, username: user.email, cnf: 'mine' })
    for (const name of ['active', 'sub', 'iss', 'exp', 'sid', 'user_id', 'username', 'token_type']) {
      expect(body[name]).not.toBe('mine')
    }
  })

  test('that are reserved are refused, each of them', async () => {
    const names = Object.values(RESERVED_CLAIMS).flat()
    expect(names).toEqual(expect.arrayContaining(OURS))
    const refusals = await Promise.all(
      names.map(
        async (name) => (await admin('POST', '/users', { guid: crypto.randomUUID(), claims: { [name]: 1 } })).status,
      ),
    )
    expect(refusals).toEqual(names.map(() => 400))
  })

  test.each(['ES256', 'RS256'])(
    'as large as may be fit into a cookie, under %s',
    async (alg) => {
      // 4096 bits, the largest key, and everything else that stands in a token as long as may be.
      const key = alg === 'RS256' ? { ACCESS_TOKEN_RSA_KEY: await newRsaKey(4096) } : {}
      const by = startWorker({ ACCESS_TOKEN_ALG: alg, AUDIENCE: 'https://api.example.com', ...key })
      const overhead = JSON.stringify({ claim: '' }).length
      const user = await addUser({
        claims: { claim: 'x'.repeat(1024 - overhead) },
        external_id: `${alg}${'🂡'.repeat(123)}`,
        group: '🂡'.repeat(32),
      })
      const { cookies, access, refresh } = await openByGuid(user.guid, {}, by)
      // RFC 6265 section 6.1: a browser keeps 4096 bytes of name, value and attributes.
      const [line = ''] = (await refreshByCookies(cookies, {}, by)).headers.getSetCookie()
      expect(line.startsWith('access_token=')).toBe(true)
      expect(line.length).toBeLessThan(4096)
      expect(claimsOf(access)).toMatchObject({ claim: 'x'.repeat(1024 - overhead), group: '🂡'.repeat(32) })
      expect((await verify(access, by)).status).toBe(200)
      expect(refresh.length).toBeLessThan(1000)
    },
    30_000,
  )
})
