/** The outbox, as operators read it, and what they have sent. */

import type { Context } from 'hono'
import * as z from 'zod/mini'

import { ASKED_KINDS, type ListedMail, MAIL_STATES, type MailPosition } from '../../domain/operators/listed-mail.ts'
import { askMail, requeueMail, requeueParked } from '../../domain/operators/send-mails.ts'
import { Guid } from '../../domain/tokens/claims.ts'
import type { AppEnv } from '../factory.ts'
import { EmailRequest } from '../request/account-contract.ts'
import { readJson } from '../request/body.ts'
import { readOperator } from './acting.ts'
import type { Mail } from './answer-contract.ts'
import { Paging, readQuery } from './query.ts'

/** A row of one of the lists: what they are ordered by, and the row behind it. */
const Position = z.pipe(
  z.string().check(z.regex(/^\d{1,15}-\d{1,15}$/, 'must be the `next` of another page')),
  z.transform((text): MailPosition => {
    const [key, row] = text.split('-')
    return { key: Number(key), row: Number(row) }
  }),
)

export const MailsRequest = z.strictObject({
  state: z.prefault(z.nullable(z.enum(MAIL_STATES)), null),
  guid: z.prefault(z.nullable(Guid), null),
  limit: Paging.limit,
  cursor: z.prefault(z.nullable(Position), null),
})

export const AskRequest = z.extend(EmailRequest, { kind: z.enum(ASKED_KINDS) })

/** `GET /admin/mails`: the newest first, and of those that wait the one that is due first. */
export async function listMails(c: Context<AppEnv>): Promise<Response> {
  const { cursor: after, ...query } = readQuery(c, MailsRequest)
  const { mails } = await c.env.operators()
  const { mails: listed, next } = await mails.list({ ...query, after })
  return c.json({ mails: listed.map(describeMail), next: next === null ? null : `${next.key}-${next.row}` })
}

/** `POST /admin/mails`: has a mail sent to an address. */
export async function sendMail(c: Context<AppEnv>): Promise<Response> {
  const asked = await readJson(c, AskRequest)
  const id = await askMail(c.env, readOperator(c), asked)
  return c.json({ id }, 202)
}

/** `POST /admin/mails/{id}/requeue`: has one tried at once. */
export async function requeueOne(c: Context<AppEnv>, id: string): Promise<Response> {
  await requeueMail(c.env, c.var.operator, id)
  return c.json({ id }, 202)
}

/** `POST /admin/mails/requeue`: the same for those that are parked. */
export async function requeueAll(c: Context<AppEnv>): Promise<Response> {
  return c.json({ count: await requeueParked(c.env, c.var.operator) }, 202)
}

function describeMail(mail: ListedMail): Mail {
  return {
    id: mail.id,
    kind: mail.kind,
    guid: mail.guid,
    recipient: mail.recipient,
    state: mail.state,
    created_at: mail.createdAt,
    attempts: mail.attempts,
    due_at: mail.dueAt,
    sent_at: mail.sentAt,
    failed_at: mail.failedAt,
    last_error: mail.lastError,
  }
}
