/**
 * The two ways to open a session: a guid that a trusted caller vouches for, and a password.
 *
 * A failed sign-in by password has one answer and one duration, whatever failed: a difference between an unknown address and a
 * wrong password would tell anybody which accounts there are.
 */

import { TesseraError } from '../../errors.ts'
import {
  countRefusal,
  type PasswordTry,
  type PasswordTryServices,
  refusalOf,
  tryPassword,
} from '../accounts/password-try.ts'
import { describeError } from '../describe-error.ts'
import { signPair, type Pair } from './pair.ts'
import type { Caller, TimedCaller } from '../caller.ts'
import { type DueNotice, factsOf } from '../mails/notice.ts'
import type { Binding, EndedBySignIn, NewSession } from './session.ts'
import type { Proof } from '../tokens/proof.ts'
import type { Services } from '../services.ts'
import { readSessions } from './end.ts'
import { firstExpiry } from './lifetime.ts'

export type SignInServices = Pick<Services, 'settings' | 'tokens' | 'sessions' | 'now' | 'newId' | 'log'>

/** Who signs in. */
export interface SignInCaller extends Caller {
  /**
   * The access tokens that a browser came with. Their sessions end, since the browser gets other tokens now: a thief who
   * rotated its refresh token first would otherwise keep a session that its owner no longer uses.
   */
  readonly cookies: readonly string[]
}

/** Throws `forbidden` where no session may be opened by a guid. */
export function requireIssuing({ settings }: Pick<Services, 'settings'>): void {
  if (settings.issueAccess === 'off') throw new TesseraError('forbidden', { cause: 'ISSUE_ACCESS is off' })
}

/** Opens a session for a guid, known or new, and signs its first pair. Throws `no_active_account` for an inactive one. */
export async function signInByGuid(services: SignInServices, guid: string, caller: SignInCaller): Promise<Pair> {
  const session = await newSession(services, caller)
  return openForGuid(services, guid, session, { issuer: caller.issuer, by: 'guid' })
}

/** Opens this session. Throws `no_active_account` for an inactive account, and `token_used` where there was such a session before. */
export async function openForGuid(
  services: SignInServices,
  guid: string,
  session: NewSession,
  { issuer, by }: { readonly issuer: string; readonly by: 'guid' | 'ticket' },
): Promise<Pair> {
  const { sid } = session
  const opened = await services.sessions.openForGuid(guid, session, by)
  if (opened === 'inactive') throw new TesseraError('no_active_account', { cause: 'inactive', guid })
  if (opened === 'taken') throw new TesseraError('token_used', { cause: 'used ticket', sid, guid })
  if (opened.isNew) services.log({ event: 'registered', guid, reason: 'guid' })
  logSignIn(services, { guid, sid, by, ended: opened.ended })
  return firstPair(services, session, opened.account, issuer)
}

/**
 * Opens a session for an active, confirmed account, bound to the key that the caller proves to have. Throws `no_active_account` for every
 * other account, and for one that has to wait, and `dpop_proof_not_valid`.
 */
export async function signInByPassword(
  services: SignInServices & PasswordTryServices,
  credentials: { readonly primary_email: string; readonly password: string },
  caller: SignInCaller & TimedCaller,
): Promise<Pair> {
  // A proof that is not good is refused first, so that it tells nothing of the password.
  const binding = bindingOf(caller.proof)
  const tried = await tryPassword(services, credentials, caller)
  const { account, check } = tried
  const cause = refusalOf(tried)
  if (account === null || cause !== undefined) {
    await countRefusal(services, tried, caller)
    throw new TesseraError('no_active_account', { cause, guid: account?.guid })
  }

  const { guid } = account
  // Another hash takes time: before it, a try whose wait began meanwhile is refused, as late as one of a wrong password.
  if (check.outdated && (await services.attempts.hasToWait({ ...tried, now: services.now() }))) {
    throw new TesseraError('no_active_account', { cause: 'waiting', guid })
  }
  const rehash = check.outdated ? await rehashed(services, guid, credentials.password) : null
  const session = await newSession(services, caller, services.newId(), binding)
  const notice = noticeOf(services, tried, account.id, session, caller.issuer)
  const opened = await services.sessions.openForPassword(account, rehash, session, { ...tried, notice })
  if (opened === 'waiting') throw new TesseraError('no_active_account', { cause: 'waiting', guid })
  if (opened === 'changed') throw new TesseraError('no_active_account', { cause: 'changed during sign-in', guid })
  logSignIn(services, { guid, sid: session.sid, by: 'password', ended: opened.ended })
  if (opened.mail !== null) caller.afterwards(services.announce({ id: opened.mail, account: account.id }))
  return firstPair(services, session, account, caller.issuer)
}

/** Says in the log that a session was opened, and which others it ended. */
function logSignIn({ log }: Pick<Services, 'log'>, { guid, sid, by, ended }: SignedIn): void {
  log({ event: 'signed_in', guid, sid, reason: by })
  for (const session of ended) log({ event: 'session_ended', ...session })
}

interface SignedIn {
  readonly guid: string
  readonly sid: string
  readonly by: 'guid' | 'ticket' | 'password'
  readonly ended: readonly EndedBySignIn[]
}

function noticeOf(
  { settings }: Pick<Services, 'settings'>,
  { isNewPlace, failures }: PasswordTry,
  userId: number,
  { sid, now, client, binding }: NewSession,
  issuer: string,
): DueNotice {
  const bound = binding === null ? {} : ({ isBound: true } as const)
  const facts = { ...factsOf(settings, { client, issuer }, now), isNewPlace, failures, ...bound }
  return { kind: 'new_sign_in', userId, dedupeKey: `new_sign_in:${sid}`, facts }
}

/** A fresh hash; `null` where the engine failed. The sign-in goes on under the old hash, since the password was right. */
async function rehashed(
  { passwords, log }: Pick<Services, 'passwords' | 'log'>,
  guid: string,
  password: string,
): Promise<string | null> {
  try {
    return await passwords.hash(password)
  } catch (error) {
    log({ event: 'password_not_rehashed', guid, error: describeError(error) })
    return null
  }
}

/** A session for a caller, as it will be opened now. */
export async function newSession(
  services: SignInServices,
  { client, cookies }: SignInCaller,
  sid = services.newId(),
  binding: Binding | null = null,
): Promise<NewSession> {
  const { settings, tokens, newId } = services
  const replaced = cookies.length === 0 ? [] : await readSessions(tokens, cookies)
  const now = services.now()
  const expiresAt = firstExpiry(now, settings)
  return {
    sid,
    jti: newId(),
    now,
    expiresAt,
    client,
    binding,
    replaced,
    sessionsMax: settings.sessionsMax,
  }
}

/** What a session is bound to that opens with this proof. Throws `dpop_proof_not_valid` for one that is not good. */
function bindingOf(proof: Proof | undefined): Binding | null {
  if (proof === undefined) return null
  if ('refused' in proof) throw new TesseraError('dpop_proof_not_valid', { cause: proof.refused })
  return { key: proof.key, by: 'dpop', proofId: proof.id }
}

function firstPair(
  services: SignInServices,
  session: NewSession,
  { id, guid, email, group, externalId, ownClaims }: Pair['account'],
  issuer: string,
): Promise<Pair> {
  const opened = { ...session, issuedAt: session.now, address: session.client.address }
  return signPair(services, issuer, opened, { id, guid, email, group, externalId, ownClaims })
}
