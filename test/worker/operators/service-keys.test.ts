/** Service keys with names: which requests each may make, what is left of one that was taken back, and who acted by which. */

import { env } from 'cloudflare:workers'
import { describe, expect, test } from 'vitest'

import { createApp } from '../../../src/app.ts'
import { createAccount } from '../../support/accounts.ts'
import { answerBesideCookies, FORBIDDEN, NOT_AUTHENTICATED } from '../../support/answers.ts'
import { TEST_BINDINGS } from '../../support/bindings.ts'
import { stopClock } from '../../support/clock.ts'
import { keepLog } from '../../support/log.ts'
import { bearer, callWithoutTrace } from '../../support/requests.ts'
import { open } from '../../support/sessions.ts'
import { type CallOptions, ELSEWHERE, HOME, startWorker } from '../../support/worker.ts'

stopClock()
const log = keepLog('warn')

const KEYS = {
  issue: 'iss-3nQ8pVt6Yw1Zx4Bc7Df0Gh2Jk5Lm9No-Rs6Tu8Vw1Xy',
  introspect: 'int-3nQ8pVt6Yw1Zx4Bc7Df0Gh2Jk5Lm9No-Rs6Tu8Vw1Xy',
  admin: 'adm-3nQ8pVt6Yw1Zx4Bc7Df0Gh2Jk5Lm9No-Rs6Tu8Vw1Xy',
  all: 'all-3nQ8pVt6Yw1Zx4Bc7Df0Gh2Jk5Lm9No-Rs6Tu8Vw1Xy=',
  two: 'two-3nQ8pVt6Yw1Zx4Bc7Df0Gh2Jk5Lm9No-Rs6Tu8Vw1Xy+/=',
  service: TEST_BINDINGS.SERVICE_KEY,
} as const
type Key = keyof typeof KEYS

const SERVICE_KEYS = `web:issue=${KEYS.issue}, api:introspect=${KEYS.introspect},panel:admin=${KEYS.admin},all=${KEYS.all},two:issue+introspect=${KEYS.two}`
const deployed = startWorker({ SERVICE_KEYS, ISSUE_ACCESS: 'service' })

/** What a key with each scope may ask, and what comes of it. */
const REQUESTS: Readonly<Record<string, { path: string; options: CallOptions; status: number; may: readonly Key[] }>> =
  {
    'GET /{guid}': {
      path: '/6f9619ff-8b86-d011-b42d-00c04fc964ff',
      options: { headers: { 'Tessera-Client-IP': HOME, Accept: 'application/json' } },
      status: 200,
      may: ['issue', 'two', 'all', 'service'],
    },
    'POST /auth/tickets': {
      path: '/auth/tickets',
      options: { method: 'POST', json: { guid: '6f9619ff-8b86-d011-b42d-00c04fc964ff' } },
      status: 200,
      may: ['issue', 'two', 'all', 'service'],
    },
    'POST /auth/token/introspect': {
      path: '/auth/token/introspect',
      options: { method: 'POST', json: { token: 'x' } },
      status: 200,
      may: ['introspect', 'two', 'all', 'service'],
    },
    ...below('GET /admin/audit', 200),
    ...below('POST /admin/users', 400, {}),
    ...below('GET /admin/users', 200),
    ...below('GET /admin/users/{guid}', 404),
    ...below('PATCH /admin/users/{guid}', 404, { group: 'editors' }),
    ...below('DELETE /admin/users/{guid}', 404),
    ...below('GET /admin/users/{guid}/sessions', 404),
    ...below('DELETE /admin/users/{guid}/sessions', 404),
    ...below('DELETE /admin/users/{guid}/sessions/{sid}', 404),
    ...below('GET /admin/users/{guid}/history', 404),
    ...below('POST /admin/users/import', 415, {}),
    ...below('DELETE /admin/sessions', 200),
    ...below('GET /admin/mails', 200),
    ...below('POST /admin/mails', 400, {}),
    ...below('POST /admin/mails/requeue', 202),
    ...below('POST /admin/mails/{id}/requeue', 404),
  }

/** A request of operators, about an account that there is not. */
function below(name: string, status: number, json?: unknown): typeof REQUESTS {
  const [method = '', path = ''] = name.replaceAll(/\{\w+\}/g, '6f9619ff-8b86-d011-b42d-00c04fc964f0').split(' ')
  return { [name]: { path, options: { method, json }, status, may: ['admin', 'all', 'service'] } }
}

test('every route of operators is among these', () => {
  const routes = createApp()
    .routes.filter(({ method, path }) => method !== 'ALL' && path.startsWith('/admin'))
    .map(({ method, path }) => `${method} ${path.replaceAll(/:(\w+)/g, '{$1}')}`)
  expect(Object.keys(REQUESTS)).toEqual(expect.arrayContaining(routes))
})

function withKey({ headers, ...options }: CallOptions, key: string): CallOptions {
  return { ...options, headers: { ...Object.fromEntries(new Headers(headers)), ...bearer(key) } }
}

const pairs = Object.entries(REQUESTS).flatMap(([name, request]) =>
  (Object.keys(KEYS) as Key[]).map((key) => [name, key, request] as const),
)

describe('a service key', () => {
  test.each(pairs)('%s, by the key %s', async (_name, key, { path, options, status, may }) => {
    const asked = withKey(options, KEYS[key])
    if (may.includes(key)) {
      expect((await deployed.call(path, asked)).status).toBe(status)
      return
    }
    expect(await answerBesideCookies(await callWithoutTrace(path, asked, deployed))).toEqual(FORBIDDEN)
    expect(log.mock.lastCall).toMatchObject([{ event: 'refused', code: 'forbidden', cause: 'service key' }])
  })

  test.each(Object.entries(REQUESTS))('%s needs one', async (_name, { path, options }) => {
    expect(await answerBesideCookies(await callWithoutTrace(path, options, deployed))).toEqual(NOT_AUTHENTICATED)
  })

  test.each(Object.entries(REQUESTS))(
    '%s refuses one that was taken back, and goes on with the others',
    async (_name, request) => {
      const without = startWorker({
        SERVICE_KEYS: SERVICE_KEYS.split(',')
          .filter((entry) => !entry.includes(KEYS.all))
          .join(','),
        ISSUE_ACCESS: 'service',
      })
      const { path, options, status } = request
      expect((await deployed.call(path, withKey(options, KEYS.all))).status).toBe(status)
      const refused = await callWithoutTrace(path, withKey(options, KEYS.all), without)
      expect(await answerBesideCookies(refused)).toEqual(FORBIDDEN)
      const [other] = request.may
      expect((await without.call(path, withKey(options, other === undefined ? '' : KEYS[other]))).status).toBe(status)
    },
  )

  test.each([
    ['its name', 'web'],
    ['its entry', `web:issue=${KEYS.issue}`],
    ['a part of it', KEYS.issue.slice(0, -1)],
    ['more than it', `${KEYS.issue}x`],
    ['another case of it', KEYS.issue.toUpperCase()],
    ['all of them', SERVICE_KEYS.replaceAll(' ', '')],
  ])('is nothing but the key: %s is none', async (_name, presented) => {
    const { path, options } = REQUESTS['GET /{guid}'] ?? { path: '', options: {} }
    const response = await callWithoutTrace(path, withKey(options, presented), deployed)
    expect(await answerBesideCookies(response)).toEqual(FORBIDDEN)
  })
})

describe('the client that a back end names', () => {
  test.each<[Key, number]>([
    ['issue', 200],
    ['all', 200],
    ['introspect', 403],
    ['admin', 403],
  ])('counts for a refresh by the key %s: %i', async (key, status) => {
    const { refresh } = await open(await createAccount(env.DB), { ip: HOME })
    const options: CallOptions = {
      method: 'POST',
      json: { refresh },
      ip: ELSEWHERE,
      headers: { ...bearer(KEYS[key]), 'Tessera-Client-IP': HOME },
    }
    expect((await deployed.call('/auth/token/refresh', options)).status).toBe(status)
  })
})

test('no answer and no line of the log has a key in it', async () => {
  const told = await Promise.all(
    Object.values(REQUESTS).flatMap(({ path, options }) =>
      Object.values(KEYS).map(async (key) => {
        const response = await deployed.call(path, withKey(options, key))
        return `${JSON.stringify([...response.headers])} ${await response.text()}`
      }),
    ),
  )
  const all = `${told.join()} ${JSON.stringify(log.mock.calls)}`
  expect(Object.values(KEYS).filter((key) => all.includes(key) || all.includes(key.slice(4, 40)))).toEqual([])
})
