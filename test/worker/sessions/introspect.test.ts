/** POST /auth/token/introspect (RFC 7662): what a back end with the service key is told about a token. */

import { env } from 'cloudflare:workers'
import { beforeEach, describe, expect, test } from 'vitest'

import { createAccount, emptyTables } from '../../support/accounts.ts'
import {
  answerBesideCookies,
  FORBIDDEN,
  okJson,
  malformed,
  NOT_AUTHENTICATED,
  NOT_JSON,
  STRING_MISSING,
} from '../../support/answers.ts'
import { TEST_BINDINGS } from '../../support/bindings.ts'
import { at, DAY_SECONDS, stopClock, T0 } from '../../support/clock.ts'
import { encodePart, forgedCopy } from '../../support/forge.ts'
import { type BodyOptions, callWithoutTrace, form, introspect, renew, SERVICE } from '../../support/requests.ts'
import { open, type OpenedByAccount } from '../../support/sessions.ts'
import { type CallOptions, ORIGIN, startWorker, worker } from '../../support/worker.ts'
import { keepLog } from '../../support/log.ts'

stopClock()
keepLog('warn')
// So that a look at all rows stays a short one.
beforeEach(() => emptyTables(env.DB))

const INACTIVE = okJson({ active: false })

function activeToken({ account, sid, jti }: OpenedByAccount, type: 'access' | 'refresh', iat: number, exp: number) {
  const { id, guid, group, email } = account
  return okJson({
    active: true,
    token_type: type,
    iss: ORIGIN,
    sub: guid,
    exp,
    iat,
    jti,
    sid,
    user_id: id,
    group,
    username: email,
  })
}

describe('POST /auth/token/introspect', () => {
  const path = '/auth/token/introspect'

  test.each<[string, (token: string) => CallOptions]>([
    ['JSON', (token) => ({ json: { token }, headers: SERVICE })],
    ['a form', (token) => ({ ...form({ token }), headers: { ...form({}).headers, ...SERVICE } })],
  ])('describes a good token of either type, asked in %s', async (_name, optionsFor) => {
    const session = await open(await createAccount(env.DB, { group: 'editors' }))
    at(200)

    expect(
      await answerBesideCookies(
        await callWithoutTrace(path, { ...optionsFor(session.access), method: 'POST', ip: null }),
      ),
    ).toEqual(activeToken(session, 'access', T0, T0 + 300))
    expect(
      await answerBesideCookies(await callWithoutTrace(path, { ...optionsFor(session.refresh), method: 'POST' })),
    ).toEqual(activeToken(session, 'refresh', T0, T0 + 10 * DAY_SECONDS))
  })

  test('names the audience of an access token, and the account as it is by now', async () => {
    const audience = startWorker({ AUDIENCE: 'api' })
    const session = await open(undefined, {}, audience)
    await env.DB.prepare(`UPDATE users SET "group" = 'editors', primary_email = NULL WHERE id = ?`)
      .bind(session.account.id)
      .run()
    const { body } = await introspect(session.access, audience)

    expect(JSON.parse(body)).toMatchObject({ active: true, aud: 'api', group: 'editors', username: null })
    expect(JSON.parse((await introspect(session.refresh, audience)).body)).not.toHaveProperty('aud')
  })

  test('goes by the session, which an access token outlives only by its rotation', async () => {
    const session = await open()
    at(100)
    const next = await renew(session)

    expect(await introspect(session.access)).toEqual(activeToken(session, 'access', T0, T0 + 300))
    expect(await introspect(session.refresh)).toEqual(INACTIVE)
    expect(JSON.parse((await introspect(next.refresh)).body)).toMatchObject({ active: true, sid: session.sid })
  })

  test.each<[string, HeadersInit, unknown]>([
    ['no key', {}, NOT_AUTHENTICATED],
    ['another scheme', { Authorization: `Basic ${TEST_BINDINGS.SERVICE_KEY}` }, NOT_AUTHENTICATED],
    ['an empty key', { Authorization: 'Bearer ' }, NOT_AUTHENTICATED],
    ['a wrong key', { Authorization: 'Bearer wrong' }, FORBIDDEN],
    ['half of the key', { Authorization: `Bearer ${TEST_BINDINGS.SERVICE_KEY.slice(0, 20)}` }, FORBIDDEN],
  ])('tells nothing to a caller with %s', async (_name, headers, expected) => {
    const { access } = await open()

    expect(
      await answerBesideCookies(await worker.call(path, { method: 'POST', headers, json: { token: access } })),
    ).toEqual(expected)
  })

  test('takes no access token for the key, and no key where none is configured', async () => {
    const { access } = await open()
    const headers = { Authorization: `Bearer ${access}` }
    const without = startWorker({ SERVICE_KEY: '' })

    expect(
      await answerBesideCookies(await worker.call(path, { method: 'POST', headers, json: { token: access } })),
    ).toEqual(FORBIDDEN)
    expect(await introspect(access, without)).toEqual(FORBIDDEN)
  })

  test('says no more than inactive of every token that is not good', async () => {
    const session = await open()
    const gone = await open()
    await env.DB.prepare('DELETE FROM sessions WHERE sid = ?').bind(gone.sid).run()
    const tokens = {
      'of a session that is gone': gone.access,
      'forged access': await forgedCopy(session.access),
      'forged refresh': await forgedCopy(session.refresh),
      garbage: 'garbage',
      empty: '',
      'an unsigned object': `${encodePart({ alg: 'none' })}.${encodePart({ sid: session.sid })}.`,
    }

    for (const [name, token] of Object.entries(tokens)) {
      expect({ name, ...(await introspect(token)) }).toEqual({ name, ...INACTIVE })
    }
  })

  test.each([
    ['access', 300],
    ['refresh', 10 * DAY_SECONDS],
  ] as const)('an %s token is inactive from its expiry on, %i s', async (type, seconds) => {
    const session = await open()
    at(seconds - 1)
    expect(await introspect(session[type])).toEqual(activeToken(session, type, T0, T0 + seconds))
    at(seconds)

    expect(await introspect(session[type])).toEqual(INACTIVE)
  })

  test.each<[string, BodyOptions, unknown]>([
    ['no token', { json: {} }, malformed({ token: [STRING_MISSING] })],
    ['a form without one', form({ refresh: 'x' }), malformed({ token: [STRING_MISSING] })],
    ['plain text', { body: 'token=x', headers: { 'Content-Type': 'text/plain' } }, NOT_JSON],
  ])('refuses %s', async (_name, options, expected) => {
    const headers = { ...options.headers, ...SERVICE }

    expect(await answerBesideCookies(await worker.call(path, { ...options, method: 'POST', headers }))).toEqual(
      expected,
    )
  })
})
