/** The end of an account, and of its sessions, by an operator. */

import { TesseraError } from '../../errors.ts'
import { normalizeEmail } from '../accounts/account.ts'
import { factsOf } from '../mails/notice.ts'
import type { Services } from '../services.ts'
import type { ListedSession } from '../sessions/session.ts'
import type { ActingOperator } from './user.ts'

type EndServices = Pick<Services, 'settings' | 'operators' | 'subjectOf' | 'announce' | 'now' | 'log'>
type SessionServices = Pick<Services, 'settings' | 'operators' | 'now' | 'log'>

/** How often the end is tried while somebody changes the address of the account at the same moment. */
const MAX_TRIES = 4

/** Ends an account, as its owner could: what is known of them goes, and the guid stays. Throws `not_found`, `unavailable`. */
export async function deleteUser(services: EndServices, guid: string, by: ActingOperator): Promise<void> {
  const { users } = await services.operators()
  return attempt(MAX_TRIES)

  async function attempt(tries: number): Promise<void> {
    const found = await users.find(guid)
    if (found === null || found.leftAt !== null) throw new TesseraError('not_found')
    const email = found.email === null ? null : normalizeEmail(found.email)
    const now = services.now()
    const written = await users.leave({
      found,
      email,
      subject: await services.subjectOf(email ?? ''),
      act: { action: 'user_deleted', facts: {}, by, now },
      mail: {
        kind: 'account_left',
        facts: { ...factsOf(services.settings, by, now), by: 'operator' },
        dedupeKey: `account_left:${found.id}`,
      },
    })
    if (written === null) {
      if (tries > 1) return attempt(tries - 1)
      throw new TesseraError('unavailable', { cause: 'changed meanwhile', retryAfterSeconds: 1 })
    }
    services.log({ event: 'left', guid, reason: 'operator' })
    if (written.mail !== null) by.afterwards(services.announce(written.mail))
  }
}

/** The live sessions of an account. Throws `not_found`, `unavailable`. */
export async function listSessionsOf(
  { settings, operators, now }: SessionServices,
  guid: string,
): Promise<readonly ListedSession[]> {
  const listed = await (await operators()).users.sessions(guid, now(), settings)
  if (listed === null) throw new TesseraError('not_found')
  return listed
}

/** Ends every session of an account that was opened until now. Throws `not_found`, `unavailable`. */
export async function endSessionsOf(
  { operators, now, log }: SessionServices,
  guid: string,
  by: ActingOperator,
): Promise<void> {
  const act = { action: 'sessions_ended', facts: {}, by, now: now() } as const
  if (!(await (await operators()).users.endSessions(guid, act))) throw new TesseraError('not_found')
  log({ event: 'sessions_ended', guid, reason: 'operator' })
}

/**
 * Ends every session of everybody that was opened until now, of a part of the accounts: those behind the user id `after`. Whoever calls it
 * until there is no `next` has ended all. Throws `unavailable`.
 */
export async function endSessionsOfAll(
  { operators, now, log }: SessionServices,
  after: number,
  by: ActingOperator,
): Promise<{ readonly ended: number; readonly next: number | null }> {
  const { users } = await operators()
  const part = await users.endAllSessions(after, { action: 'all_sessions_ended', facts: { after }, by, now: now() })
  if (part.ended > 0) log({ event: 'all_sessions_ended', count: part.ended })
  return part
}

/** Ends one session of an account. Throws `not_found` where that is no live session of it, `unavailable`. */
export async function endSessionOf(
  { settings, operators, now, log }: SessionServices,
  { guid, sid }: { readonly guid: string; readonly sid: string },
  by: ActingOperator,
): Promise<void> {
  const act = { action: 'session_ended', facts: { sid }, by, now: now() } as const
  if (!(await (await operators()).users.endSession(guid, sid, act, settings))) throw new TesseraError('not_found')
  log({ event: 'session_ended', guid, sid, reason: 'operator' })
}
