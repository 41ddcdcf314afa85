/** Every operation that the Worker has, once, in an order in which each works: for tests of what is the same for all of them. */

import { env } from 'cloudflare:workers'

import { GOOD_PASSWORD, linkTo, OTHER_PASSWORD, pressPage } from './account-life.ts'
import { createAccount, HASHES, PASSWORD } from './accounts.ts'
import { acceptOffer, challengeOf, refreshByDevice, signChallenge } from './dbsc.ts'
import { createProvingClient } from './dpop.ts'
import { admin } from './operators.ts'
import { onBehalfOf } from './requests.ts'
import { openByGuid } from './sessions.ts'
import { ELSEWHERE, HOME, pairOf, type TestWorker } from './worker.ts'

const BACK_END = onBehalfOf(HOME)
const KEY = { Authorization: `Bearer ${env.SERVICE_KEY}` }

/** Every operation once, in an order in which each works; `measure` sees its name and runs it. */
export async function everyOperation(
  worker: TestWorker,
  measure: (name: string, operation: () => Promise<Response>) => Promise<Response>,
): Promise<void> {
  const account = await createAccount(env.DB)
  const credentials = { primary_email: account.email, password: PASSWORD }
  const post = (path: string, json: unknown, headers: HeadersInit = {}) =>
    worker.call(path, { method: 'POST', json, headers })

  await measure('GET /{guid}, a new one', () => worker.call(`/${crypto.randomUUID()}`, { headers: BACK_END }))
  let cookies = pairOf(await measure('GET /{guid}', () => worker.call(`/${account.guid}`, { headers: BACK_END })))
  const old = cookies
  cookies = pairOf(await measure('GET /refresh', () => worker.call('/refresh', { cookies })))
  await measure('GET /refresh, used', () => worker.call('/refresh', { cookies: old }))
  await measure('POST /auth/token, from a new place', () => post('/auth/token', credentials))
  const wrong = { ...credentials, password: 'wrong' }
  await measure('POST /auth/token, the first that fails', () => post('/auth/token', wrong))
  await measure('POST /auth/token, another that fails', () => post('/auth/token', wrong))
  await measure('POST /auth/token, after these', () => post('/auth/token', credentials))
  const signedIn = await measure('POST /auth/token', () => post('/auth/token', credentials))
  const refresh = await refreshOf(signedIn)
  const next = await measure('POST /auth/token/refresh', () => post('/auth/token/refresh', { refresh }))
  const token = await refreshOf(next)
  await measure('POST /auth/token/verify', () => post('/auth/token/verify', { token }))
  await measure('POST /auth/token/introspect', () => post('/auth/token/introspect', { token }, KEY))
  const bearer = { headers: { Authorization: `Bearer ${cookies.access_token}` } }
  await measure('GET /auth/me', () => worker.call('/auth/me', bearer))
  await measure('GET /auth/sessions', () => worker.call('/auth/sessions', bearer))
  await measure('GET /auth/places', () => worker.call('/auth/places', bearer))
  await measure('GET /.well-known/jwks.json', () => worker.call('/.well-known/jwks.json'))
  await measure('POST /auth/token/revoke', () => post('/auth/token/revoke', { token }))
  const browser = pairOf(await measure('POST /auth/session', () => post('/auth/session', credentials)))
  await measure('DELETE /auth/session', () => worker.call('/auth/session', { method: 'DELETE', cookies: browser }))
  await measure('DELETE /auth/sessions', () => worker.call('/auth/sessions', { method: 'DELETE', ...bearer }))
  await measure('GET /refresh, elsewhere', () => worker.call('/refresh', { cookies, ip: ELSEWHERE }))
  await everyOperationOfAccounts(worker, measure)
  await everyOperationOfOperators(worker, measure)
  await measure('cron', async () => {
    // The first run of a day: tables of fewer rows than a day has runs have none in its slice.
    await worker.scheduled(0)
    return new Response()
  })
}

/** The life of a session that its browser binds, of a Worker that offers it. Each key is one that the Worker sees for the first time. */
export async function everyOperationOfDevices(
  worker: TestWorker,
  measure: (name: string, operation: () => Promise<Response>) => Promise<Response>,
): Promise<void> {
  const { guid } = await createAccount(env.DB)
  const opened = await worker.call(`/${guid}`, { headers: BACK_END })
  const jar = pairOf(opened)
  const [client, thief] = [await createProvingClient(), await createProvingClient()]
  await measure('POST /auth/device', () => acceptOffer(worker, client, opened, jar))
  const asked = await measure('POST /refresh/device, without a proof', () => refreshByDevice(worker, jar))
  const { challenge } = challengeOf(asked)
  const stolen = await signChallenge(thief, challenge)
  await measure('POST /refresh/device, by another key', () => refreshByDevice(worker, jar, { proof: stolen }))
  await measure('GET /refresh, bound', () => worker.call('/refresh', { cookies: jar }))
  const proof = await signChallenge(client, challenge)
  await measure('POST /refresh/device', () => refreshByDevice(worker, jar, { proof }))
}

let lives = 0

/** The life of one account. */
async function everyOperationOfAccounts(
  worker: TestWorker,
  measure: (name: string, operation: () => Promise<Response>) => Promise<Response>,
): Promise<void> {
  // Not by chance: whether a subject is the last one in the index of `attempts` is one row that is read or not.
  const [email, next] = [`life${lives}@example.com`, `life${lives}.next@example.com`]
  lives += 1
  const credentials = { primary_email: email, password: GOOD_PASSWORD }
  const ask = (method: string, path: string, json: unknown, access?: string) =>
    worker.call(path, { method, json, ...(access !== undefined && { headers: { Authorization: `Bearer ${access}` } }) })
  const signIn = async (password: string) => {
    const response = await ask('POST', '/auth/token', { ...credentials, password })
    return (await response.json<{ access: string }>()).access
  }
  await measure('POST /auth/register', () => ask('POST', '/auth/register', credentials))
  await measure('POST /auth/confirm/resend', () => ask('POST', '/auth/confirm/resend', { primary_email: email }))
  const confirmation = await linkTo(email, 'confirm_address', 'confirm')
  await measure('POST /auth/confirm', () => ask('POST', '/auth/confirm', { token: confirmation }))
  await measure('POST /auth/register, taken', () => ask('POST', '/auth/register', credentials))
  const first = await signIn(GOOD_PASSWORD)
  await measure('POST /auth/password', () => {
    const passwords = { current_password: GOOD_PASSWORD, new_password: OTHER_PASSWORD }
    return ask('POST', '/auth/password', passwords, first)
  })
  await measure('POST /auth/email', () =>
    ask('POST', '/auth/email', { password: OTHER_PASSWORD, new_email: next }, first),
  )
  const move = await linkTo(next, 'confirm_email', 'confirm_email')
  await measure('POST /links/confirm-email', () => pressPage('/links/confirm-email', { token: move }, worker))
  const undo = await linkTo(email, 'email_changed', 'undo_email')
  await measure('POST /links/undo-email', () => pressPage('/links/undo-email', { token: undo }, worker))
  await measure('POST /auth/password/forgot', () => ask('POST', '/auth/password/forgot', { primary_email: email }))
  const token = await linkTo(email, 'reset_password', 'reset_password')
  await measure('POST /auth/password/reset', () =>
    ask('POST', '/auth/password/reset', { token, new_password: GOOD_PASSWORD }),
  )
  const last = await signIn(GOOD_PASSWORD)
  await measure('DELETE /auth/me', () => ask('DELETE', '/auth/me', { password: GOOD_PASSWORD }, last))
}

/** What operators do with one account. */
async function everyOperationOfOperators(
  worker: TestWorker,
  measure: (name: string, operation: () => Promise<Response>) => Promise<Response>,
): Promise<void> {
  const guid = crypto.randomUUID()
  const ask = (method: string, path: string, json?: unknown) => () => admin(method, path, json, worker)
  const user = { guid, primary_email: `${guid}@example.com`, external_id: guid, password_hash: HASHES.current }
  await measure('POST /admin/users', ask('POST', '/users', user))
  await measure('POST /admin/users, taken', ask('POST', '/users', user))
  await measure('GET /admin/users', ask('GET', '/users?limit=10'))
  await measure('GET /admin/users?email=', ask('GET', `/users?email=${guid}@example.com`))
  await measure('GET /admin/users?external_id=', ask('GET', `/users?external_id=${guid}`))
  await measure('GET /admin/users/{guid}', ask('GET', `/users/${guid}`))
  const { sid } = await openByGuid(guid)
  await openByGuid(guid)
  await measure('PATCH /admin/users/{guid}', ask('PATCH', `/users/${guid}`, { group: 'editors' }))
  await measure('PATCH /admin/users/{guid}, as it is', ask('PATCH', `/users/${guid}`, { group: 'editors' }))
  const credentials = { primary_email: `next.${guid}@example.com`, password_hash: HASHES.scrypt }
  await measure('PATCH /admin/users/{guid}, address and password', ask('PATCH', `/users/${guid}`, credentials))
  await openByGuid(guid)
  const { sid: last } = await openByGuid(guid)
  await measure('GET /admin/users/{guid}/sessions', ask('GET', `/users/${guid}/sessions`))
  await measure('DELETE …/sessions/{sid}', ask('DELETE', `/users/${guid}/sessions/${last}`))
  await measure('DELETE …/sessions/{sid}, ended', ask('DELETE', `/users/${guid}/sessions/${sid}`))
  await measure('DELETE /admin/users/{guid}/sessions', ask('DELETE', `/users/${guid}/sessions`))
  await measure('DELETE /admin/users/{guid}', ask('DELETE', `/users/${guid}`))
  await everyOperationOfMails(worker, measure)
}

/** What operators do with mails and imports, and what they read of the ledger. */
async function everyOperationOfMails(
  worker: TestWorker,
  measure: (name: string, operation: () => Promise<Response>) => Promise<Response>,
): Promise<void> {
  const [first, second] = [crypto.randomUUID(), crypto.randomUUID()]
  const ask = (method: string, path: string, json?: unknown) => () => admin(method, path, json, worker)
  const lines = [first, second].map((guid) => `${JSON.stringify({ guid, primary_email: `${guid}@example.com` })}\n`)
  const send = () =>
    worker.call('/admin/users/import', {
      method: 'POST',
      body: lines.join(''),
      headers: { ...KEY, 'Content-Type': 'application/x-ndjson' },
    })
  await measure('POST /admin/users/import', send)
  await measure('POST /admin/users/import, again', send)
  const asked = { kind: 'reset_password', primary_email: `${first}@example.com` }
  await measure('POST /admin/mails', ask('POST', '/mails', asked))
  // Their leases keep the consumer of the real queue away, so that each is as it was at every time.
  const [one, another] = [crypto.randomUUID(), crypto.randomUUID()]
  const insert = env.DB.prepare(
    `INSERT INTO notifications (id, kind, user_id, recipient, facts, dedupe_key, created_at, due_at, leased_until, failed_at)
     VALUES (?1, 'token_reused', 0, 'held@example.com', '{}', ?1, 0, 0, 9e9, 1)`,
  )
  await env.DB.batch([insert.bind(one), insert.bind(another)])
  await measure('POST /admin/mails/{id}/requeue', ask('POST', `/mails/${one}/requeue`))
  await measure('POST /admin/mails/requeue', ask('POST', '/mails/requeue'))
  // All mails are sent, so that what a list reads does not depend on how fast the queue was.
  await env.DB.batch([
    env.DB.prepare("DELETE FROM notifications WHERE recipient = 'held@example.com'"),
    env.DB.prepare('UPDATE notifications SET sent_at = created_at, failed_at = NULL'),
  ])
  for (const query of ['', '?state=waiting', '?state=parked', '?state=sent', `?guid=${first}`]) {
    await measure(`GET /admin/mails${query.replace(first, '{guid}')}`, ask('GET', `/mails${query}`))
  }
  for (const query of ['', '?actor=service', '?action=mail_asked', `?guid=${first}`]) {
    await measure(`GET /admin/audit${query.replace(first, '{guid}')}`, ask('GET', `/audit${query}`))
  }
}

async function refreshOf(response: Response): Promise<string> {
  return (await response.clone().json<{ refresh: string }>()).refresh
}
