/**
 * GET and POST /refresh: one pair for the next, in what words it is refused, and one winner of any number of callers.
 */

import { env } from 'cloudflare:workers'
import { describe, expect, test } from 'vitest'

import { dumpTables } from '../../support/accounts.ts'
import { at, DAY_SECONDS, stopClock, T0 } from '../../support/clock.ts'
import { decodeToken, UUID } from '../../support/forge.ts'
import { keepLog } from '../../support/log.ts'
import { refreshByCookies } from '../../support/requests.ts'
import { jtiOf, openByGuid, sessionRow } from '../../support/sessions.ts'
import {
  NO_HEADERS,
  TEXT_GRANTED,
  TEXT_INACTIVE,
  TEXT_MALFORMED,
  TEXT_NOT_VALID,
  TEXT_USED,
  textAnswer,
  textRefusal,
} from '../../support/text-answers.ts'
import { HOME, pairOf, setCookies, startWorker, worker } from '../../support/worker.ts'

stopClock()
keepLog('warn')

describe('/refresh', () => {
  test.each(['GET', 'POST'])('%s exchanges the pair for the next one of the same session', async (method) => {
    const { guid, sid, cookies } = await openByGuid()
    at(60)
    const response = await refreshByCookies(cookies, { method })

    expect(await textAnswer(response)).toEqual(TEXT_GRANTED)
    const shared = ['HttpOnly', 'Secure', 'SameSite=Strict']
    expect(setCookies(response)['access_token']?.attributes).toEqual(['Max-Age=864000', 'Path=/', ...shared])
    expect(setCookies(response)['refresh_token']?.attributes).toEqual(['Max-Age=864000', 'Path=/refresh', ...shared])
    const next = pairOf(response)
    const before = decodeToken(cookies.access_token).payload
    const jti = jtiOf(next)
    expect(jti).toMatch(UUID)
    expect(jti).not.toBe(jtiOf(cookies))
    const { exp, token_type, group, ...shares } = before
    expect(decodeToken(next.access_token).payload).toEqual({ ...before, jti, iat: T0 + 60, exp: T0 + 360 })
    expect(decodeToken(next.refresh_token).payload).toEqual({
      ...shares,
      jti,
      iat: T0 + 60,
      exp: T0 + 60 + 10 * DAY_SECONDS,
      ip: HOME,
      token_type: 'refresh',
    })
    expect([exp, token_type, group, before['guid']]).toEqual([T0 + 300, 'access', 'user', guid])
    expect(await sessionRow(sid)).toMatchObject({
      sid,
      jti,
      issued_at: T0 + 60,
      previous_jti: jtiOf(cookies),
      rotated_at: T0 + 60,
      expires_at: T0 + 60 + 10 * DAY_SECONDS,
      created_at: T0,
      revoked_at: null,
    })
  })

  test('refuses the pair that was exchanged, and the session lives on', async () => {
    const { cookies } = await openByGuid()
    const next = pairOf(await refreshByCookies(cookies))
    const before = await dumpTables(env.DB)

    expect(await textAnswer(await refreshByCookies(cookies))).toEqual(TEXT_USED)
    expect(await dumpTables(env.DB)).toEqual(before)
    expect(await textAnswer(await refreshByCookies(next))).toEqual(TEXT_GRANTED)
  })

  test('takes an access token that expired, which is why browsers refresh', async () => {
    const { cookies } = await openByGuid()
    at(10 * DAY_SECONDS - 1)

    expect(await textAnswer(await refreshByCookies(cookies))).toEqual(TEXT_GRANTED)
  })

  test('refuses a refresh token at its expiry', async () => {
    const { cookies } = await openByGuid()
    const before = await dumpTables(env.DB)
    at(10 * DAY_SECONDS)

    expect(await textAnswer(await refreshByCookies(cookies))).toEqual(TEXT_NOT_VALID)
    expect(await dumpTables(env.DB)).toEqual(before)
  })

  test.each([
    ['no cookie', [], 'Access token is missing'],
    ['the refresh token alone', ['refresh_token'], 'Access token is missing'],
    ['the access token alone', ['access_token'], 'Refresh token is missing'],
  ] as const)('refuses %s', async (_name, names, detail) => {
    const { cookies } = await openByGuid()
    const before = await dumpTables(env.DB)

    expect(
      await textAnswer(await refreshByCookies(Object.fromEntries(names.map((name) => [name, cookies[name]])))),
    ).toEqual(textRefusal(401, detail))
    expect(await dumpTables(env.DB)).toEqual(before)
  })

  test('takes an empty cookie for none', async () => {
    const { cookies } = await openByGuid()

    expect(await textAnswer(await refreshByCookies({ ...cookies, access_token: '' }))).toEqual(
      textRefusal(401, 'Access token is missing'),
    )
    expect(await textAnswer(await refreshByCookies({ ...cookies, refresh_token: '' }))).toEqual(
      textRefusal(401, 'Refresh token is missing'),
    )
  })

  test('refuses tokens of two pairs, and both pairs stay alive', async () => {
    const guid = crypto.randomUUID()
    const [one, two] = [await openByGuid(guid), await openByGuid(guid)]
    const before = await dumpTables(env.DB)
    const mixed = { access_token: one.cookies.access_token, refresh_token: two.cookies.refresh_token }

    expect(await textAnswer(await refreshByCookies(mixed))).toEqual(textRefusal(401, 'Not valid token pair'))
    expect(await dumpTables(env.DB)).toEqual(before)
    expect(await textAnswer(await refreshByCookies(one.cookies))).toEqual(TEXT_GRANTED)
    expect(await textAnswer(await refreshByCookies(two.cookies))).toEqual(TEXT_GRANTED)
  })

  test('refuses the next refresh token beside the previous access token', async () => {
    const { cookies } = await openByGuid()
    const next = pairOf(await refreshByCookies(cookies))

    expect(await textAnswer(await refreshByCookies({ ...next, access_token: cookies.access_token }))).toEqual(
      textRefusal(401, 'Not valid token pair'),
    )
    expect(await textAnswer(await refreshByCookies(next))).toEqual(TEXT_GRANTED)
  })

  test.each(['access_token', 'refresh_token'] as const)('refuses a second %s cookie', async (name) => {
    const { cookies } = await openByGuid()
    const other = await openByGuid()
    const genuine = `access_token=${cookies.access_token}; refresh_token=${cookies.refresh_token}`
    const before = await dumpTables(env.DB)

    for (const Cookie of [
      `${genuine}; ${name}=${other.cookies[name]}`,
      `${name}=${other.cookies[name]}; ${genuine}`,
      `${genuine}; ${name}=${cookies[name]}`,
      `${name}="x"; ${genuine}`,
    ]) {
      expect(await textAnswer(await worker.call('/refresh', { headers: { Cookie } }))).toEqual(TEXT_MALFORMED)
    }
    expect(await dumpTables(env.DB)).toEqual(before)
    expect(await textAnswer(await refreshByCookies(cookies))).toEqual(TEXT_GRANTED)
  })

  test('reads its cookies among others, with quotes, and by their whole names', async () => {
    const { cookies } = await openByGuid()
    const Cookie = `a=1;access_token="${cookies.access_token}";xrefresh_token=y;  refresh_token=${cookies.refresh_token} ; b`

    expect(await textAnswer(await worker.call('/refresh', { headers: { Cookie } }))).toEqual(TEXT_GRANTED)
  })
})

describe('a refusal', () => {
  const problem = {
    type: 'https://auth.localhost/docs/errors#token_missing',
    title: 'Unauthorized',
    status: 401,
    detail: 'Access token is missing',
    code: 'token_missing',
  }

  test.each([
    ['GET', 'application/json'],
    ['GET', 'application/problem+json'],
    ['GET', 'text/html, APPLICATION/JSON;q=0.9'],
    ['POST', '*/*'],
    ['POST', 'text/plain'],
  ])('to %s with Accept: %s is problem details', async (method, Accept) => {
    const { body, ...rest } = await textAnswer(await worker.call('/refresh', { method, headers: { Accept } }))

    expect(JSON.parse(body)).toEqual(problem)
    expect(rest).toEqual({
      ...NO_HEADERS,
      status: 401,
      type: 'application/problem+json',
      cache: 'no-store',
      authenticate: 'Bearer',
    })
  })

  test.each(['*/*', 'text/html', 'text/plain', 'application/jsonp', 'application/xml'])(
    'to GET with Accept: %s is the bare text',
    async (Accept) => {
      const headers = { Accept }

      expect(await textAnswer(await worker.call('/refresh', { headers }))).toEqual(
        textRefusal(401, 'Access token is missing'),
      )
      expect(await textAnswer(await worker.call('/no-guid', { headers }))).toEqual(TEXT_MALFORMED)
    },
  )

  test('of a guid is problem details where JSON is asked for', async () => {
    const response = await worker.call('/no-guid', { headers: { Accept: 'application/json' } })

    expect(response.headers.get('Content-Type')).toBe('application/problem+json')
    expect(await response.json()).toEqual({
      type: 'https://auth.localhost/docs/errors#wrong_data_structure',
      title: 'Bad Request',
      status: 400,
      detail: 'Wrong data structure',
      code: 'wrong_data_structure',
    })
  })
})

describe('a session', () => {
  test('ends SESSION_MAX_SECONDS after sign-in, however often it was refreshed', async () => {
    const short = startWorker({ SESSION_MAX_SECONDS: '3600', REFRESH_TTL_SECONDS: '3000' })
    const { cookies } = await openByGuid(undefined, {}, short)
    at(2000)
    const second = await refreshByCookies(cookies, {}, short)
    at(3599)
    const third = await refreshByCookies(pairOf(second), {}, short)

    expect(setCookies(second)['refresh_token']?.attributes[0]).toBe('Max-Age=1600')
    expect(decodeToken(pairOf(second).refresh_token).payload).toMatchObject({ iat: T0 + 2000, exp: T0 + 3600 })
    expect(setCookies(third)['refresh_token']?.attributes[0]).toBe('Max-Age=1')
    expect(decodeToken(pairOf(third).access_token).payload).toMatchObject({ iat: T0 + 3599, exp: T0 + 3600 })
    at(3600)
    expect(await textAnswer(await refreshByCookies(pairOf(third), {}, short))).toEqual(TEXT_NOT_VALID)
  })

  test('ends by the SESSION_MAX_SECONDS of today, whatever its tokens say', async () => {
    const { cookies } = await openByGuid()
    at(3600)

    expect(await textAnswer(await refreshByCookies(cookies, {}, startWorker({ SESSION_MAX_SECONDS: '3600' })))).toEqual(
      TEXT_USED,
    )
    expect(await textAnswer(await refreshByCookies(cookies))).toEqual(TEXT_GRANTED)
  })

  test.each([
    ['deactivated', 'UPDATE users SET is_active = 0 WHERE guid = ?'],
    ['deleted', 'DELETE FROM users WHERE guid = ?'],
  ])('ends at the next refresh when its account was %s', async (_name, change) => {
    const { guid, sid, cookies } = await openByGuid()
    await env.DB.prepare(change).bind(guid).run()
    at(60)

    expect(await textAnswer(await refreshByCookies(cookies))).toEqual(TEXT_INACTIVE)
    expect(await sessionRow(sid)).toMatchObject({ revoked_at: T0 + 60, revoked_reason: 'inactive' })
    await env.DB.prepare('UPDATE users SET is_active = 1 WHERE guid = ?').bind(guid).run()
    expect(await textAnswer(await refreshByCookies(cookies))).toEqual(TEXT_USED)
  })

  test.each([
    ['revoked', 'UPDATE sessions SET revoked_at = 1 WHERE sid = ?'],
    ['deleted', 'DELETE FROM sessions WHERE sid = ?'],
  ])('that was %s refuses its pair', async (_name, change) => {
    const { sid, cookies } = await openByGuid()
    await env.DB.prepare(change).bind(sid).run()
    const before = await dumpTables(env.DB)

    expect(await textAnswer(await refreshByCookies(cookies))).toEqual(TEXT_USED)
    expect(await dumpTables(env.DB)).toEqual(before)
  })
})

describe('fifty parallel refreshes of one pair', () => {
  const CALLERS = 50

  /** D1, where nobody's first batch runs before everybody's has arrived: no caller is too early to race. */
  function gatedDatabase(): D1Database {
    let arrived = 0
    const gate = Promise.withResolvers<void>()
    return new Proxy(env.DB, {
      get(target, name) {
        if (name === 'batch') {
          return async (statements: D1PreparedStatement[]) => {
            arrived += 1
            if (arrived === CALLERS) gate.resolve()
            await gate.promise
            return target.batch(statements)
          }
        }
        const member: unknown = Reflect.get(target, name)
        return typeof member === 'function' ? (...args: unknown[]) => Reflect.apply(member, target, args) : member
      },
    })
  }

  test.each([1, 2, 3, 4, 5])('have exactly one winner, in session %i', async () => {
    const { guid, sid, cookies } = await openByGuid()
    const racing = startWorker({ DB: gatedDatabase() })

    const responses = await Promise.all(Array.from({ length: CALLERS }, () => refreshByCookies(cookies, {}, racing)))

    const winners = responses.filter((response) => response.status === 200)
    const losers = responses.filter((response) => response.status !== 200)
    expect(winners).toHaveLength(1)
    expect(await Promise.all(losers.map(textAnswer))).toEqual(Array(CALLERS - 1).fill(TEXT_USED))
    const won = winners.map(pairOf)
    const { results: rows } = await env.DB.prepare(
      'SELECT sid, jti, previous_jti, revoked_at FROM sessions JOIN users ON users.id = user_id WHERE guid = ?',
    )
      .bind(guid)
      .all()
    expect(rows).toEqual(won.map((pair) => ({ sid, jti: jtiOf(pair), previous_jti: jtiOf(cookies), revoked_at: null })))
    for (const pair of won) expect(await textAnswer(await refreshByCookies(pair))).toEqual(TEXT_GRANTED)
  })
})
