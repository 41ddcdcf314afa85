/** Sessions as a browser opens them by a guid, which spares a test the 67 ms of a password. */

import { env } from 'cloudflare:workers'

import { createAccount, dumpTables, type TestAccount } from './accounts.ts'
import { claimsOf } from './forge.ts'
import { type CallOptions, pairOf, type TestWorker, worker } from './worker.ts'

export interface Tokens {
  readonly access: string
  readonly refresh: string
}

export type Cookies = ReturnType<typeof pairOf>

/** A session with its first pair, by itself and in cookies. */
export interface Opened extends Tokens {
  readonly guid: string
  readonly sid: string
  readonly jti: string
  readonly cookies: Cookies
}

/** Opens a session for a guid, which nobody had before unless the test says which. */
export async function openByGuid(
  guid: string = crypto.randomUUID(),
  options: CallOptions = {},
  by: TestWorker = worker,
): Promise<Opened> {
  const cookies = pairOf(await by.call(`/${guid}`, options))
  const { sid, jti } = claimsOf(cookies.refresh_token)
  return { guid, sid: String(sid), jti: String(jti), cookies, ...tokensIn(cookies) }
}

export interface OpenedByAccount extends Opened {
  readonly account: TestAccount
}

/** Opens a session of an account, of a new one unless the test says which. */
export async function open(
  account?: TestAccount,
  options: CallOptions = {},
  by: TestWorker = worker,
): Promise<OpenedByAccount> {
  const owner = account ?? (await createAccount(env.DB))
  return { account: owner, ...(await openByGuid(owner.guid, options, by)) }
}

export function tokensIn({ access_token: access, refresh_token: refresh }: Cookies): Tokens {
  return { access, refresh }
}

/** Everything that is stored about a session. */
export function sessionRow(sid: string) {
  return env.DB.prepare('SELECT * FROM sessions WHERE sid = ?').bind(sid).first()
}

/** When and why a session ended. */
export function endOf(sid: string) {
  return env.DB.prepare('SELECT revoked_at, revoked_reason FROM sessions WHERE sid = ?').bind(sid).first()
}

/** What `endOf` says of a session that did not. */
export const LIVE = { revoked_at: null, revoked_reason: null }

export function jtiOf({ refresh_token }: Pick<Cookies, 'refresh_token'>): unknown {
  return claimsOf(refresh_token)['jti']
}

/** The mails about a session, as whoever asked for them stored them. */
export async function notificationsFor(sid: string) {
  const { notifications } = await dumpTables(env.DB)
  return notifications?.filter((row) => String(row['dedupe_key']).endsWith(sid))
}
