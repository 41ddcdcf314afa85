/** The mails of the outbox as their owners get them, rendered by the code that sends them, with links that work. */

import * as z from 'zod/mini'

import { readNotice } from '../domain/mails/notice.ts'
import type { DeliveryDeps } from '../mail/delivery.ts'
import type { MailContent } from '../mail/messages/layout.ts'
import { renderMail } from '../mail/render.ts'
import { en } from '../words/en.ts'
import type { MailRecord } from './records.ts'

export interface ShownMail {
  readonly record: MailRecord
  /** `null`: the row cannot be read, and will not be sent either. */
  readonly content: MailContent | null
}

export async function showMail(
  { signLink, settings }: Pick<DeliveryDeps, 'signLink' | 'settings'>,
  record: MailRecord,
): Promise<ShownMail> {
  const { id, account, recipient, language, timeZone, kind, facts } = record
  try {
    const notice = { id, account, recipient, language, timeZone, ...readNotice(kind, facts) }
    return { record, content: await renderMail(notice, settings, signLink) }
  } catch {
    return { record, content: null }
  }
}

/** The links of a mail that were used, and when. */
export function describeUses(record: MailRecord): readonly { readonly label: string; readonly at: number }[] {
  const uses = z.record(z.string(), z.int()).parse(JSON.parse(record.usedLinks))
  return Object.entries(en.links).flatMap(([purpose, { button: label }]) => {
    const at = uses[purpose]
    return at === undefined ? [] : [{ label, at }]
  })
}

/** The state of a mail: a word for its badge, and a sentence. */
export function describeState({ sentAt, failedAt, attempts, lastError }: MailRecord): {
  readonly state: 'sent' | 'waiting' | 'parked'
  readonly detail: string
} {
  if (sentAt !== null) return { state: 'sent', detail: 'Accepted by the mail transport.' }
  if (failedAt !== null) return { state: 'parked', detail: `Given up: ${lastError ?? 'no reason was noted'}.` }
  if (attempts === 0 || lastError === null)
    return { state: 'waiting', detail: 'On its way through the queue: a second or so.' }
  return { state: 'waiting', detail: `Tried ${attempts} times, and will be again: ${lastError}.` }
}
