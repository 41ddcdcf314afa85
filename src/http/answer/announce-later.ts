/** Mails that a request made due, handed to the queue behind its answer. */

import type { Context } from 'hono'

import type { MailRef } from '../../domain/mails/outbox.ts'
import type { AppEnv } from '../factory.ts'

/** Announces a mail, where there is one. The answer does not wait for it: its time would tell that there is one. */
export function announceLater(c: Context<AppEnv>, mail: MailRef | null): void {
  if (mail !== null) c.executionCtx.waitUntil(c.env.announce(mail))
}
