/**
 * A change of an account by an operator. It is judged by the account as it was found, and written only where the account is still like
 * that; otherwise it is judged anew. So what is answered and what the ledger says is what was done, whoever changes the account meanwhile.
 */

import { TesseraError } from '../../errors.ts'
import { normalizeEmail } from '../accounts/account.ts'
import { type PasswordRulesDeps, requireGoodPassword } from '../accounts/password-rules.ts'
import { factsOf } from '../mails/notice.ts'
import type { LogEvent } from '../../log.ts'
import type { Services } from '../services.ts'
import type { Act } from './audit.ts'
import { describeFields } from './change-facts.ts'
import { alreadyExists } from './create-user.ts'
import type { ActingOperator, ChangeableUser, User, UserChange, UserField, UserState } from './user.ts'

type ChangeServices = PasswordRulesDeps &
  Pick<Services, 'operators' | 'passwords' | 'subjectOf' | 'announce' | 'newId' | 'now'>

/** What an operator wants another: what is not there stays as it is. */
export interface UserPatch extends Partial<Omit<UserState, 'confirmedAt'>> {
  readonly isConfirmed?: boolean
  /** In clear; `null` takes it away. */
  readonly password?: string | null
  /** In the place of `password`. */
  readonly passwordHash?: string
}

/** How often a change is judged anew before its caller has to come back: others change the account at the same moment. */
const MAX_TRIES = 4

/**
 * Changes an account; one that is as the patch has it already stays untouched. Throws `not_found` for an unknown guid and an account whose owner
 * left, `wrong_data_structure`, `already_exists`, `password_not_accepted`, `unavailable`.
 */
export async function changeUser(
  services: ChangeServices,
  guid: string,
  patch: UserPatch,
  by: ActingOperator,
): Promise<User> {
  const { users } = await services.operators()
  const wanted = { email: patch.email ?? null, externalId: patch.externalId ?? null }
  const now = services.now()
  let { passwordHash } = patch
  return attempt(await users.findForChange(guid, wanted), MAX_TRIES)

  async function attempt(found: ChangeableUser | null, tries: number): Promise<User> {
    if (found === null || found.leftAt !== null) throw new TesseraError('not_found')
    const state = nextState(found, patch, now)
    const fields = changedFields(found, state, patch)
    if (fields.length === 0 && state.isActive === found.isActive) return found
    if (found.taken.length > 0) throw alreadyExists(found.taken)
    if (typeof patch.password === 'string') {
      await requireGoodPassword(services, { password: patch.password, email: state.email ?? '' }, 'password')
      passwordHash ??= await services.passwords.hash(patch.password)
    }
    const next = { ...state, passwordHash: fields.includes('password') ? (passwordHash ?? null) : found.passwordHash }
    const told = await describeChange(services, { found, next, fields, by, now })
    const changed = await users.change({ found, wanted, next, fields, now, ...told })
    if ('taken' in changed) throw alreadyExists(changed.taken)
    if ('found' in changed) {
      if (tries > 1) return attempt(changed.found, tries - 1)
      throw new TesseraError('unavailable', { cause: 'changed meanwhile', retryAfterSeconds: 1 })
    }
    for (const line of linesOf({ found, next, fields })) services.log(line)
    for (const mail of changed.mails) by.afterwards(services.announce(mail))
    return changed.user
  }
}

/** The account as the patch has it. An account that gets its first address has confirmed it, unless the patch says otherwise. */
function nextState(found: ChangeableUser, patch: UserPatch, now: number): UserState {
  const { isConfirmed, password: _password, passwordHash: _hash, ...values } = patch
  const given = found.email !== null && patch.email === normalizeEmail(found.email) ? { email: found.email } : {}
  const state = { ...toState(found), ...values, ...given }
  if (state.email === null && isConfirmed === true) {
    throw new TesseraError('wrong_data_structure', { fields: { confirmed: ['needs an address'] } })
  }
  const isFirst = found.email === null
  const confirms = state.email !== null && (isConfirmed ?? (isFirst || found.confirmedAt !== null))
  const confirmedAt = state.email === found.email ? found.confirmedAt : null
  return { ...state, confirmedAt: confirms ? (confirmedAt ?? now) : null }
}

function toState(found: ChangeableUser): UserState {
  const { email, group, externalId, ownClaims, isActive, confirmedAt, language, timeZone } = found
  return { email, group, externalId, ownClaims, isActive, confirmedAt, language, timeZone }
}

function changedFields(found: ChangeableUser, next: UserState, patch: UserPatch): readonly UserField[] {
  const changes: Readonly<Record<UserField, boolean>> = {
    primary_email: next.email !== found.email,
    password: setsPassword(found, patch),
    group: next.group !== found.group,
    claims: next.ownClaims !== found.ownClaims,
    external_id: next.externalId !== found.externalId,
    confirmed: (next.confirmedAt === null) !== (found.confirmedAt === null),
    language: next.language !== found.language,
    time_zone: next.timeZone !== found.timeZone,
  }
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the keys of a record of all fields
  return (Object.keys(changes) as UserField[]).filter((field) => changes[field])
}

/** A password in clear is always another one: whether it is the former one is nobody's business but its owner's. */
function setsPassword(found: ChangeableUser, { password, passwordHash }: UserPatch): boolean {
  if (password !== undefined) return password !== null || found.passwordHash !== null
  return passwordHash !== undefined && passwordHash !== found.passwordHash
}

interface Judged extends Pick<UserChange, 'found' | 'next' | 'fields' | 'now'> {
  readonly by: ActingOperator
}

/** What the ledger and the mails say of a change. */
async function describeChange(
  { settings, subjectOf, newId }: Pick<ChangeServices, 'settings' | 'subjectOf' | 'newId'>,
  { found, next, fields, by, now }: Judged,
): Promise<Pick<UserChange, 'acts' | 'subject' | 'passwordMail' | 'emailMail'>> {
  const acts: Act[] = []
  if (fields.length > 0) {
    acts.push({ action: 'user_changed', facts: describeFields(found, next, fields), by, now })
  }
  if (next.isActive !== found.isActive) {
    acts.push({ action: next.isActive ? 'user_activated' : 'user_deactivated', facts: {}, by, now })
  }
  const facts = factsOf(settings, by, now)
  return {
    acts,
    subject: await subjectOf(next.email === null ? '' : normalizeEmail(next.email)),
    passwordMail: {
      kind: 'password_changed',
      facts: { ...facts, how: 'operator' },
      dedupeKey: `password_changed:${newId()}`,
    },
    emailMail: { kind: 'email_changed', facts: { ...facts, by: 'operator' }, dedupeKey: `email_changed:${newId()}` },
  }
}

/** What the log says of a change: the same as its events, of which the store knows more. */
function linesOf({ found: { guid, isActive }, next, fields }: Pick<Judged, 'found' | 'next' | 'fields'>) {
  const others = fields.filter((field) => field !== 'password' && field !== 'primary_email')
  const lines: (LogEvent | false)[] = [
    fields.includes('password') && { event: 'password_changed', guid, reason: 'operator' },
    fields.includes('primary_email') && { event: 'email_changed', guid, reason: 'operator' },
    fields.includes('confirmed') && next.confirmedAt !== null && { event: 'confirmed', guid },
    others.length > 0 && { event: 'account_changed', guid, fields: others },
    next.isActive !== isActive && { event: next.isActive ? 'activated' : 'deactivated', guid },
  ]
  return lines.filter((line) => line !== false)
}
