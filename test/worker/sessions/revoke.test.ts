/** POST /auth/token/revoke (RFC 7009): whoever holds a token may give its session up. */

import { env } from 'cloudflare:workers'
import { beforeEach, describe, expect, test } from 'vitest'

import { emptyTables } from '../../support/accounts.ts'
import { answerBesideCookies, DONE, MALFORMED, malformed, NOT_JSON } from '../../support/answers.ts'
import { at, DAY_SECONDS, stopClock, T0 } from '../../support/clock.ts'
import { encodePart, forgedCopy } from '../../support/forge.ts'
import { type BodyOptions, callWithoutTrace, form, renew } from '../../support/requests.ts'
import { endOf, LIVE, open, type OpenedByAccount } from '../../support/sessions.ts'
import { type CallOptions, setCookies, worker } from '../../support/worker.ts'
import { keepLog } from '../../support/log.ts'

stopClock()
keepLog('warn')
// So that a look at all rows stays a short one.
beforeEach(() => emptyTables(env.DB))

describe('POST /auth/token/revoke', () => {
  const path = '/auth/token/revoke'

  test.each<[string, (session: OpenedByAccount) => CallOptions]>([
    ['{token}, a refresh token', ({ refresh }) => ({ json: { token: refresh } })],
    ['{token}, an access token', ({ access }) => ({ json: { token: access } })],
    ['{refresh}, a refresh token', ({ refresh }) => ({ json: { refresh } })],
    ['{refresh}, an access token', ({ access }) => ({ json: { refresh: access } })],
    ['a form with token', ({ refresh }) => form({ token: refresh, token_type_hint: 'refresh_token' })],
    ['a form with refresh', ({ refresh }) => form({ refresh })],
    ['{token} beside fields that it does not know', ({ access }) => ({ json: { token: access, client_id: 7 } })],
  ])('takes %s, and ends that session alone', async (_name, optionsFor) => {
    const session = await open()
    const other = await open(session.account)
    at(60)
    const response = await worker.call(path, { ...optionsFor(session), method: 'POST' })

    expect(setCookies(response)).toEqual({})
    expect(await answerBesideCookies(response)).toEqual(DONE)
    expect(await endOf(session.sid)).toEqual({ revoked_at: T0 + 60, revoked_reason: 'revoked' })
    expect(await endOf(other.sid)).toEqual(LIVE)
  })

  test.each([
    ['used', 11],
    ['expired', 11 * DAY_SECONDS],
  ])('takes a token that is %s: whoever gives a session up may', async (_name, seconds) => {
    for (const type of ['access', 'refresh'] as const) {
      const session = await open()
      at(1)
      await renew(session)
      at(seconds)

      expect(
        await answerBesideCookies(await worker.call(path, { method: 'POST', json: { token: session[type] } })),
      ).toEqual(DONE)
      expect(await endOf(session.sid)).toEqual({ revoked_at: T0 + seconds, revoked_reason: 'revoked' })
      at(0)
    }
  })

  test('says the same, and writes nothing, for every token that ends nothing', async () => {
    const session = await open()
    const ended = await open(session.account)
    const purged = await open(session.account)
    await worker.call(path, { method: 'POST', json: { token: ended.refresh } })
    await env.DB.prepare('DELETE FROM sessions WHERE sid = ?').bind(purged.sid).run()
    at(60)
    const tokens = {
      'of a session that has ended': ended.refresh,
      'of a session that is gone': purged.refresh,
      'forged refresh': await forgedCopy(session.refresh),
      'forged access': await forgedCopy(session.access),
      'good to the last character': `${session.refresh.slice(0, -1)}${session.refresh.endsWith('A') ? 'E' : 'A'}`,
      'without a signature': session.refresh.split('.').slice(0, 2).join('.'),
      garbage: 'garbage',
      'an unsigned object': `${encodePart({ alg: 'none' })}.${encodePart({ sid: session.sid })}.`,
      empty: '',
    }

    for (const [name, token] of Object.entries(tokens)) {
      for (const options of [{ json: { token } }, { json: { refresh: token } }, form({ token })]) {
        const response = await callWithoutTrace(path, { ...options, method: 'POST' })
        expect({ name, ...(await answerBesideCookies(response)) }).toEqual({ name, ...DONE })
      }
    }
  })

  test.each<[string, BodyOptions, unknown]>([
    ['an empty object', { json: {} }, malformed({ token: ['Or refresh: one is needed'] })],
    [
      'a token that is a number',
      { json: { token: 7 } },
      malformed({ token: ['Invalid input: expected string, received number'] }),
    ],
    ['an empty form', form({}), malformed({ token: ['Or refresh: one is needed'] })],
    ['a form without the field', form({ code: 'x' }), malformed({ token: ['Or refresh: one is needed'] })],
    ['no JSON', { body: '{', headers: { 'Content-Type': 'application/json' } }, MALFORMED],
    ['plain text', { body: 'token=x', headers: { 'Content-Type': 'text/plain' } }, NOT_JSON],
    ['a multipart form', { body: 'x', headers: { 'Content-Type': 'multipart/form-data; boundary=x' } }, NOT_JSON],
    ['no body', {}, NOT_JSON],
  ])('refuses %s', async (_name, options, expected) => {
    expect(await answerBesideCookies(await callWithoutTrace(path, { ...options, method: 'POST' }))).toEqual(expected)
  })

  test('asks for no address of the client', async () => {
    const session = await open()

    expect(
      await answerBesideCookies(await worker.call(path, { method: 'POST', ip: null, json: { token: session.access } })),
    ).toEqual(DONE)
  })
})
