/**
 * Parts that do not answer at all: D1 and the queue. Whoever waits for them is told to try again within 8 seconds, which
 * really pass here, for all requests at once.
 */

import { env } from 'cloudflare:workers'
import { afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'

import { createApp } from '../../../src/app.ts'
import { createAccount, GUID, PASSWORD } from '../../support/accounts.ts'
import {
  changeEmail,
  forgot,
  GOOD_PASSWORD,
  linkTo,
  moveAddress,
  OTHER_PASSWORD,
  register,
  registered,
} from '../../support/account-life.ts'
import { challengeOf, offerOf, openBound, refreshByDevice, signChallenge } from '../../support/dbsc.ts'
import { createProvingClient } from '../../support/dpop.ts'
import { type Fault, faultyDatabase, faultyQueue } from '../../support/faulty-bindings.ts'
import { forge, testKeys } from '../../support/forge.ts'
import { type CallOptions, ELSEWHERE, pairOf, startWorker } from '../../support/worker.ts'
import { keepLog } from '../../support/log.ts'

const LIMIT_MILLISECONDS = 8000
const FORM = { 'Content-Type': 'application/x-www-form-urlencoded' }
const TEST_MILLISECONDS = 30_000

const healthy = startWorker()
const offering = startWorker({ DEVICE_BINDING: 'offer' })
const logged = keepLog('warn', 'error')

afterEach(() => {
  vi.useRealTimers()
})

interface Row {
  readonly route: string
  readonly path?: string
  readonly options?: CallOptions
  /** Round trips to D1, in the order of the route; the last one is where the table below stops. */
  readonly roundTrips: number
  /** Where D1 is not asked, or its health is the question. */
  readonly status?: number
}

/** Every route, each with a session of its own, so that the requests do not get into each other's way. */
async function requests(): Promise<readonly Row[]> {
  const { guid, email } = await createAccount(env.DB)
  const json = { primary_email: email, password: PASSWORD }
  const open = async () => pairOf(await healthy.call(`/${guid}`))
  const bearer = async () => ({ headers: { Authorization: `Bearer ${(await open()).access_token}` } })
  const revoke = { method: 'DELETE', ...(await bearer()) }
  const token = (await open()).refresh_token
  const key = { Authorization: `Bearer ${env.SERVICE_KEY}` }
  const other = (await (await healthy.call('/auth/sessions', await bearer())).json<{ sid: string }[]>())[0]?.sid
  // The mail whose links are opened here.
  await healthy.call('/refresh', { cookies: await open(), ip: ELSEWHERE })
  const nid = await env.DB.prepare('SELECT id FROM notifications ORDER BY rowid DESC LIMIT 1').first<string>('id')
  const link = async (purpose: string) => {
    const { alg, kid } = testKeys.link.signing
    const iat = Math.floor(Date.now() / 1000)
    const claims = { token_type: 'link', purpose, nid, iat, exp: iat + 3600 }
    return `token=${await forge({ alg, kid, typ: 'JWT' }, claims, testKeys.link.signing)}`
  }
  const end = await link('end_sessions')
  const allow = await link('allow_place')
  const fresh = `${crypto.randomUUID()}@example.com`
  await register(fresh)
  const confirmation = await linkTo(fresh, 'confirm_address', 'confirm')
  const owner = await registered()
  await forgot(owner.email)
  const resetting = await linkTo(owner.email, 'reset_password', 'reset_password')
  const moved = `${crypto.randomUUID()}@example.com`
  await changeEmail(owner.access, moved)
  const address = await linkTo(moved, 'confirm_email', 'confirm_email')
  const mover = await registered()
  const undo = await moveAddress(mover.access, mover.email, `${crypto.randomUUID()}@example.com`)
  const mine = { headers: { Authorization: `Bearer ${owner.access}` } }
  const formOf = (fields: Readonly<Record<string, string>>) => ({
    headers: { ...mine.headers, ...FORM },
    body: new URLSearchParams(fields).toString(),
  })
  const newPassword = `token=${resetting}&new_password=${encodeURIComponent(OTHER_PASSWORD)}`
  const opened = await offering.call(`/${guid}`)
  const client = await createProvingClient()
  const offered = await signChallenge(client, offerOf(opened).challenge, { jwk: client.jwk })
  const bound = await openBound(offering, guid)
  const { challenge } = challengeOf(await refreshByDevice(offering, bound.jar))
  const proven = await signChallenge(bound.client, challenge)
  return [
    { route: 'GET /:guid', path: `/${guid}`, roundTrips: 1 },
    { route: 'GET /refresh', options: { cookies: await open() }, roundTrips: 1 },
    { route: 'POST /refresh', options: { cookies: await open(), ip: ELSEWHERE }, roundTrips: 2 },
    {
      route: 'POST /auth/device',
      options: { cookies: pairOf(opened), headers: { 'Secure-Session-Response': offered } },
      roundTrips: 1,
    },
    {
      route: 'POST /refresh/device',
      options: { cookies: bound.jar, headers: { 'Secure-Session-Response': proven } },
      roundTrips: 1,
    },
    { route: 'POST /refresh/device', options: { cookies: bound.jar }, roundTrips: 1 },
    { route: 'POST /auth/session', options: { json }, roundTrips: 2 },
    { route: 'DELETE /auth/session', options: { cookies: await open() }, roundTrips: 1 },
    { route: 'GET /auth/me', options: await bearer(), roundTrips: 1 },
    { route: 'GET /auth/sessions', options: await bearer(), roundTrips: 2 },
    { route: 'DELETE /auth/sessions', options: revoke, roundTrips: 2 },
    { route: 'DELETE /auth/sessions/:sid', path: `/auth/sessions/${other}`, options: revoke, roundTrips: 2 },
    { route: 'GET /auth/places', options: await bearer(), roundTrips: 2 },
    { route: 'DELETE /auth/places/:id', path: '/auth/places/1', options: revoke, roundTrips: 2 },
    {
      route: 'POST /auth/register',
      options: { json: { primary_email: fresh, password: GOOD_PASSWORD } },
      roundTrips: 1,
    },
    { route: 'POST /auth/confirm', options: { json: { token: confirmation } }, roundTrips: 1 },
    { route: 'POST /auth/confirm/resend', options: { json: { primary_email: fresh } }, roundTrips: 1 },
    { route: 'POST /auth/password/forgot', options: { json: { primary_email: owner.email } }, roundTrips: 1 },
    {
      route: 'POST /auth/password/reset',
      options: { json: { token: resetting, new_password: OTHER_PASSWORD } },
      roundTrips: 2,
    },
    {
      route: 'POST /auth/password',
      options: { json: { current_password: GOOD_PASSWORD, new_password: OTHER_PASSWORD }, ...mine },
      roundTrips: 3,
    },
    {
      route: 'POST /auth/email',
      options: { json: { password: GOOD_PASSWORD, new_email: fresh }, ...mine },
      roundTrips: 3,
    },
    { route: 'DELETE /auth/me', options: { json: { password: GOOD_PASSWORD }, ...mine }, roundTrips: 3 },
    { route: 'POST /auth/token', options: { json }, roundTrips: 2 },
    {
      route: 'POST /auth/token/refresh',
      options: { json: { refresh: (await open()).refresh_token }, ip: ELSEWHERE },
      roundTrips: 2,
    },
    { route: 'POST /auth/token/verify', options: { json: { token } }, roundTrips: 0, status: 200 },
    { route: 'POST /auth/token/revoke', options: { json: { token: (await open()).access_token } }, roundTrips: 1 },
    { route: 'POST /auth/token/introspect', options: { json: { token }, headers: key }, roundTrips: 1 },
    { route: 'POST /auth/tickets', options: { json: { guid: GUID }, headers: key }, roundTrips: 0, status: 200 },
    { route: 'GET /links/end-sessions', path: `/links/end-sessions?${end}`, roundTrips: 1 },
    { route: 'POST /links/end-sessions', options: { headers: FORM, body: end }, roundTrips: 1 },
    { route: 'GET /links/allow-place', path: `/links/allow-place?${allow}`, roundTrips: 1 },
    { route: 'POST /links/allow-place', options: { headers: FORM, body: allow }, roundTrips: 2 },
    { route: 'GET /account', options: mine, roundTrips: 1 },
    { route: 'POST /account', options: formOf({ language: 'ru' }), roundTrips: 2 },
    { route: 'GET /account/sign-in', roundTrips: 0, status: 200 },
    {
      route: 'POST /account/sign-in',
      options: formOf({ primary_email: String(email), password: PASSWORD }),
      roundTrips: 2,
    },
    { route: 'GET /account/register', roundTrips: 0, status: 200 },
    {
      route: 'POST /account/register',
      options: formOf({ primary_email: fresh, password: GOOD_PASSWORD }),
      roundTrips: 1,
    },
    { route: 'GET /account/confirm', roundTrips: 0, status: 200 },
    { route: 'POST /account/confirm', options: formOf({ primary_email: fresh }), roundTrips: 1 },
    { route: 'GET /account/forgot', roundTrips: 0, status: 200 },
    { route: 'POST /account/forgot', options: formOf({ primary_email: fresh }), roundTrips: 1 },
    { route: 'GET /account/sessions', options: mine, roundTrips: 2 },
    { route: 'POST /account/sessions', options: formOf({ others: '1' }), roundTrips: 2 },
    { route: 'GET /account/password', options: mine, roundTrips: 1 },
    {
      route: 'POST /account/password',
      options: formOf({ current_password: GOOD_PASSWORD, new_password: OTHER_PASSWORD }),
      roundTrips: 3,
    },
    { route: 'GET /account/email', options: mine, roundTrips: 1 },
    { route: 'POST /account/email', options: formOf({ password: GOOD_PASSWORD, new_email: fresh }), roundTrips: 3 },
    { route: 'GET /account/leave', options: mine, roundTrips: 1 },
    { route: 'POST /account/leave', options: formOf({ password: GOOD_PASSWORD }), roundTrips: 3 },
    { route: 'POST /account/sign-out', options: { cookies: await open() }, roundTrips: 1 },
    { route: 'GET /links/confirm', path: `/links/confirm?token=${confirmation}`, roundTrips: 1 },
    { route: 'POST /links/confirm', options: { headers: FORM, body: `token=${confirmation}` }, roundTrips: 1 },
    { route: 'GET /links/reset-password', path: `/links/reset-password?token=${resetting}`, roundTrips: 1 },
    { route: 'POST /links/reset-password', options: { headers: FORM, body: newPassword }, roundTrips: 2 },
    { route: 'GET /links/confirm-email', path: `/links/confirm-email?token=${address}`, roundTrips: 1 },
    { route: 'POST /links/confirm-email', options: { headers: FORM, body: `token=${address}` }, roundTrips: 1 },
    { route: 'GET /links/undo-email', path: `/links/undo-email?token=${undo}`, roundTrips: 1 },
    { route: 'POST /links/undo-email', options: { headers: FORM, body: `token=${undo}` }, roundTrips: 1 },
    ...(await ofOperators(key)),
    { route: 'GET /.well-known/jwks.json', roundTrips: 0, status: 200 },
    { route: 'GET /.well-known/openid-configuration', roundTrips: 0, status: 200 },
    { route: 'GET /.well-known/oauth-authorization-server', roundTrips: 0, status: 200 },
    { route: 'GET /openapi.json', roundTrips: 0, status: 200 },
    { route: 'GET /docs/*', path: '/docs/errors', roundTrips: 0, status: 200 },
    { route: 'GET /llms.txt', roundTrips: 0, status: 200 },
    { route: 'GET /healthz', roundTrips: 0, status: 503 },
  ]
}

/** Those of operators, each about an account, a session and a mail of its own. */
async function ofOperators(headers: Readonly<Record<string, string>>): Promise<readonly Row[]> {
  const [changed, deleted, ended] = [
    await createAccount(env.DB),
    await createAccount(env.DB),
    await createAccount(env.DB),
  ]
  await healthy.call(`/${ended.guid}`)
  const sid = await env.DB.prepare('SELECT sid FROM sessions WHERE user_id = ?').bind(ended.id).first<string>('sid')
  await forgot(String(changed.email))
  const mail = await env.DB.prepare('SELECT id FROM notifications WHERE user_id = ?')
    .bind(changed.id)
    .first<string>('id')
  const line = JSON.stringify({ guid: crypto.randomUUID() })
  const asked = { kind: 'reset_password', primary_email: changed.email }
  return [
    { route: 'POST /admin/users', options: { json: { guid: crypto.randomUUID() } }, roundTrips: 1 },
    {
      route: 'POST /admin/users/import',
      options: { body: line, headers: { ...headers, 'Content-Type': 'application/x-ndjson' } },
      roundTrips: 2,
    },
    { route: 'GET /admin/users', roundTrips: 1 },
    { route: 'GET /admin/users/:guid', path: `/admin/users/${changed.guid}`, roundTrips: 1 },
    {
      route: 'PATCH /admin/users/:guid',
      path: `/admin/users/${changed.guid}`,
      options: { json: { group: 'editors' } },
      roundTrips: 2,
    },
    { route: 'DELETE /admin/users/:guid', path: `/admin/users/${deleted.guid}`, roundTrips: 2 },
    { route: 'GET /admin/users/:guid/history', path: `/admin/users/${ended.guid}/history`, roundTrips: 1 },
    { route: 'GET /admin/users/:guid/sessions', path: `/admin/users/${ended.guid}/sessions`, roundTrips: 1 },
    { route: 'DELETE /admin/users/:guid/sessions', path: `/admin/users/${changed.guid}/sessions`, roundTrips: 1 },
    {
      route: 'DELETE /admin/users/:guid/sessions/:sid',
      path: `/admin/users/${ended.guid}/sessions/${sid}`,
      roundTrips: 1,
    },
    { route: 'DELETE /admin/sessions', path: '/admin/sessions?cursor=999999999', roundTrips: 1 },
    { route: 'GET /admin/audit', roundTrips: 1 },
    { route: 'GET /admin/mails', roundTrips: 1 },
    { route: 'POST /admin/mails', options: { json: asked }, roundTrips: 1 },
    { route: 'POST /admin/mails/:id/requeue', path: `/admin/mails/${mail}/requeue`, roundTrips: 1 },
    { route: 'POST /admin/mails/requeue', roundTrips: 1 },
  ].map(({ options = {}, ...row }) => ({ ...row, options: { headers, ...options } }))
}

function partOf({ route }: Row): string {
  if (/ \/admin\//.test(route)) return 'of operators'
  return /account|auth\/(register|confirm|password|email)|DELETE \/auth\/me/.test(route) ? 'of accounts' : 'of sessions'
}

async function timed<Result>(action: Promise<Result>): Promise<{ result: Result; milliseconds: number }> {
  const start = performance.now()
  const result = await action
  return { result, milliseconds: performance.now() - start }
}

describe('a D1 that does not answer', () => {
  let rows: readonly Row[]

  beforeAll(async () => {
    rows = await requests()
  })

  test('is looked for on every route', () => {
    const routes = createApp()
      .routes.filter(({ method }) => method !== 'ALL')
      .map(({ method, path }) => `${method} ${path.replace(/\{.*\}$/, '')}`)
    expect(new Set(rows.map(({ route }) => route))).toEqual(new Set(routes))
  })

  // In three parts: the hashes of the one would keep the requests of the others from being answered in time.
  test.each(['of sessions', 'of accounts', 'of operators'])(
    'is a 503 with Retry-After within 8 seconds, from whichever round trip of a route %s on',
    async (part) => {
      const attempts = rows
        .filter((row) => partOf(row) === part)
        .flatMap((row) => Array.from({ length: Math.max(1, row.roundTrips) }, (_, answered) => ({ ...row, answered })))
      const got = await Promise.all(
        attempts.map(async ({ route, path, options, answered }) => {
          const d1 = faultyDatabase(env.DB)
          const silence: Fault[] = ['silent', 'silent', 'silent', 'silent']
          d1.fail(...Array.from({ length: answered }, () => null), ...silence)
          const [method = '', pattern = ''] = route.split(' ')
          const call = startWorker({ DEVICE_BINDING: 'offer', DB: d1.database }).call(path ?? pattern, {
            method,
            ...options,
          })
          const { result, milliseconds } = await timed(call)
          const isTold = result.headers.has('Retry-After')
          const cookies = result.headers.getSetCookie()
          return { route, answered, status: result.status, isTold, cookies, inTime: milliseconds < LIMIT_MILLISECONDS }
        }),
      )

      expect(got).toEqual(
        attempts.map(({ route, answered, status = 503 }) => {
          const isTold = status === 503 && route !== 'GET /healthz'
          return { route, answered, status, isTold, cookies: [], inTime: true }
        }),
      )
      expect(logged).toHaveBeenCalledWith(expect.objectContaining({ code: 'unavailable', cause: 'D1 is silent' }))
    },
    TEST_MILLISECONDS,
  )

  test(
    'holds up neither the cron trigger nor the consumer for good',
    async () => {
      const d1 = faultyDatabase(env.DB)
      d1.failForGood('silent')
      const worker = startWorker({ DB: d1.database })
      const message = { id: '1', timestamp: new Date(), body: { id: 'x' }, attempts: 1, ack: vi.fn(), retry: vi.fn() }
      const batch = { queue: 'tessera-mail', messages: [message], ackAll() {}, retryAll() {} }
      const [cron, consumer] = await Promise.all([
        timed(worker.scheduled().catch((error: unknown) => error)),
        timed(worker.queue(batch as unknown as MessageBatch)),
      ])

      expect(cron.result).toMatchObject({ code: 'unavailable', cause: 'D1 is silent' })
      expect(cron.milliseconds).toBeLessThan(LIMIT_MILLISECONDS)
      expect(consumer.milliseconds).toBeLessThan(LIMIT_MILLISECONDS)
      expect([message.ack.mock.calls, message.retry.mock.calls]).toEqual([[], [[{ delaySeconds: 1 }]]])
    },
    TEST_MILLISECONDS,
  )
})

describe('a queue that does not answer', () => {
  const silent = faultyQueue(() => Promise.resolve())

  beforeEach(() => {
    silent.fail('silent')
    silent.messages.length = 0
  })

  test('leaves the mail to the sweep, and the answer is what it is', async () => {
    const { guid } = await createAccount(env.DB)
    const worker = startWorker({ MAIL_QUEUE: silent.producer })
    const cookies = pairOf(await worker.call(`/${guid}`))

    const { result, milliseconds } = await timed(worker.call('/refresh', { cookies, ip: ELSEWHERE }))

    expect([result.status, await result.text()]).toEqual([401, "You're location is blocked"])
    expect(milliseconds).toBeLessThan(2000)
    const mail = await env.DB.prepare(
      'SELECT id, user_id AS userId FROM notifications ORDER BY rowid DESC LIMIT 1',
    ).first()
    expect(mail).not.toBeNull()
    expect(logged).toHaveBeenCalledWith({ event: 'mail_not_queued', ...mail, error: 'NoAnswer: after 750 ms' })

    silent.fail(null)
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 301_000 })
    await worker.scheduled()
    expect(silent.messages.map(({ body }) => body)).toContainEqual({ id: mail?.['id'], account: mail?.['userId'] })
  })

  test(
    'fails the sweep, which comes again for the same mails',
    async () => {
      const { guid } = await createAccount(env.DB)
      const worker = startWorker({ MAIL_QUEUE: silent.producer })
      await worker.call('/refresh', { cookies: pairOf(await worker.call(`/${guid}`)), ip: ELSEWHERE })
      const start = Date.now()
      vi.useFakeTimers({ toFake: ['Date'], now: start + 301_000 })
      const { result, milliseconds } = await timed(worker.scheduled().catch((error: unknown) => error))

      expect(String(result)).toBe('NoAnswer: after 5000 ms')
      expect(milliseconds).toBeLessThan(LIMIT_MILLISECONDS)
      const id = await env.DB.prepare('SELECT id FROM notifications ORDER BY rowid DESC LIMIT 1').first<string>('id')
      silent.fail(null)
      vi.setSystemTime(start + 301_000 + 901_000)
      await worker.scheduled()
      expect(silent.messages.map(({ body }) => body)).toContainEqual({ id, account: expect.any(Number) })
    },
    TEST_MILLISECONDS,
  )
})
