/** Accounts as people open and change them: the requests, and the links of the mails that these made due. */

import { env } from 'cloudflare:workers'

import { type LinkPurpose, signLink } from '../../src/domain/mails/links.ts'
import type { NoticeKind } from '../../src/domain/mails/notice.ts'
import { noticeOf, tokens } from './links.ts'
import type { MailRow } from './mailbox.ts'
import { bearer, form, post, signInByJson } from './requests.ts'
import { type CallOptions, ORIGIN, type TestWorker, worker } from './worker.ts'

/** A password that no rule refuses. */
export const GOOD_PASSWORD = 'seven quiet herons upstream'
export const OTHER_PASSWORD = 'eleven loud geese downstream'

export function register(email: string, password = GOOD_PASSWORD, options: CallOptions = {}, by: TestWorker = worker) {
  return post('/auth/register', { primary_email: email, password }, options, by)
}

/** The mails to an address, oldest first. */
export async function mailsTo(email: string): Promise<readonly MailRow[]> {
  const mails = env.DB.prepare('SELECT * FROM notifications WHERE recipient = ? ORDER BY rowid').bind(email)
  return (await mails.all<MailRow>()).results
}

export async function kindsTo(email: string): Promise<readonly unknown[]> {
  return (await mailsTo(email)).map((row) => row['kind'])
}

/** The token of a link, in the newest mail of this kind to an address. */
export async function linkTo(email: string, kind: NoticeKind, purpose: LinkPurpose): Promise<string> {
  const row = (await mailsTo(email)).findLast((one) => one['kind'] === kind)
  if (row === undefined) throw new Error(`no ${kind} to ${email}`)
  return tokenOf(row, purpose)
}

export async function tokenOf(row: MailRow, purpose: LinkPurpose): Promise<string> {
  const settings = { publicUrl: ORIGIN, basePath: '' }
  return (await signLink({ tokens, settings }, purpose, noticeOf(row))).split('token=')[1] ?? ''
}

export function confirm(token: string, by: TestWorker = worker) {
  return post('/auth/confirm', { token }, {}, by)
}

export function forgot(email: string, options: CallOptions = {}, by: TestWorker = worker) {
  return post('/auth/password/forgot', { primary_email: email }, options, by)
}

export function reset(token: string, password = OTHER_PASSWORD, by: TestWorker = worker) {
  return post('/auth/password/reset', { token, new_password: password }, {}, by)
}

/** An account that somebody registered and confirmed, and a session of it. */
export async function registered(
  email = `${crypto.randomUUID()}@example.com`,
  by: TestWorker = worker,
): Promise<{ readonly email: string; readonly access: string; readonly refresh: string; readonly id: number }> {
  await register(email, GOOD_PASSWORD, {}, by)
  const { status } = await confirm(await linkTo(email, 'confirm_address', 'confirm'), by)
  if (status !== 204) throw new Error(`not confirmed but ${status}`)
  return signedIn(email, GOOD_PASSWORD, by)
}

export async function signedIn(email: string, password = GOOD_PASSWORD, by: TestWorker = worker) {
  const response = await signInByJson(email, password, by)
  if (response.status !== 200) throw new Error(`not signed in but ${response.status}`)
  const { access, refresh, user_id: id } = await response.json<{ access: string; refresh: string; user_id: number }>()
  return { email, access, refresh, id }
}

export function changePassword(access: string, current_password: string, new_password = OTHER_PASSWORD) {
  return post('/auth/password', { current_password, new_password }, { headers: bearer(access) })
}

export function changeEmail(access: string, new_email: string, password = GOOD_PASSWORD) {
  return post('/auth/email', { password, new_email }, { headers: bearer(access) })
}

/** Presses the button of a link's page. */
export function pressPage(path: string, fields: Readonly<Record<string, string>>, by: TestWorker = worker) {
  return by.call(path, { ...form(fields), method: 'POST' })
}

/** Changes the address and confirms it; what comes back is the token that takes it back. */
export async function moveAddress(access: string, from: string, to: string, password = GOOD_PASSWORD): Promise<string> {
  await changeEmail(access, to, password)
  const token = await linkTo(to, 'confirm_email', 'confirm_email')
  const { status } = await pressPage('/links/confirm-email', { token })
  if (status >= 400) throw new Error(`not moved but ${status}`)
  return linkTo(from, 'email_changed', 'undo_email')
}

export function leave(access: string, password = GOOD_PASSWORD) {
  return worker.call('/auth/me', { method: 'DELETE', json: { password }, headers: bearer(access) })
}

export function userRow(id: number) {
  return env.DB.prepare('SELECT * FROM users WHERE id = ?').bind(id).first()
}
