/**
 * The two ways to open a session: a guid that a trusted caller vouches for, and a password.
 *
 * A failed sign-in by password has one answer and one duration, whatever failed: a difference between an unknown address and a
 * wrong password would tell anybody which accounts there are.
 */

import { TesseraError } from '../../errors.ts'
import type { Cause } from '../../log.ts'
import { normalizeEmail } from '../accounts/account.ts'
import { describeError } from '../describe-error.ts'
import { signPair, type Pair } from './pair.ts'
import type { Caller } from '../caller.ts'
import type { NewSession } from './session.ts'
import type { Services } from '../services.ts'
import { readSessions } from './end.ts'
import { firstExpiry } from './lifetime.ts'

export type SignInServices = Pick<Services, 'settings' | 'tokens' | 'sessions' | 'now' | 'newId'>

/** Who signs in. */
export interface SignInCaller extends Caller {
  /**
   * The access tokens that a browser came with. Their sessions end, since the browser gets other tokens now: a thief who
   * rotated its refresh token first would otherwise keep a session that its owner no longer uses.
   */
  readonly cookies: readonly string[]
}

/** Opens a session for a guid, known or new, and signs its first pair. Throws `no_active_account` for an inactive one. */
export async function signInByGuid(services: SignInServices, guid: string, caller: SignInCaller): Promise<Pair> {
  const session = await newSession(services, caller)
  return openForGuid(services, guid, session, caller.issuer)
}

/** Opens this session. Throws `no_active_account` for an inactive account, and `token_used` where there was such a session before. */
export async function openForGuid(
  services: SignInServices,
  guid: string,
  session: NewSession,
  issuer: string,
): Promise<Pair> {
  const account = await services.sessions.openForGuid(guid, session)
  if (account === 'inactive') throw new TesseraError('no_active_account', { cause: 'inactive' })
  if (account === 'taken') throw new TesseraError('token_used', { cause: 'used ticket', sid: session.sid })
  return firstPair(services, session, account, issuer)
}

/** Opens a session for an active, confirmed account. Throws `no_active_account` for every other one. */
export async function signInByPassword(
  services: SignInServices & Pick<Services, 'accounts' | 'passwords' | 'log'>,
  credentials: { readonly primary_email: string; readonly password: string },
  caller: SignInCaller,
): Promise<Pair> {
  const account = await services.accounts.findByEmail(normalizeEmail(credentials.primary_email))
  // The password is verified first, against a decoy where there is no account or no hash, so that every refusal takes as long.
  const check = await services.passwords.verify(credentials.password, account?.passwordHash ?? null)
  const cause = refusal(account, check.matches)
  if (account === null || cause !== undefined) throw new TesseraError('no_active_account', { cause })

  const rehash = check.outdated ? await rehashed(services, credentials.password) : null
  const session = await newSession(services, caller)
  const opened = await services.sessions.openForPassword(account, rehash, session)
  if (!opened) throw new TesseraError('no_active_account', { cause: 'changed during sign-in' })
  return firstPair(services, session, account, caller.issuer)
}

/** A fresh hash; `null` where the engine failed. The sign-in goes on under the old hash, since the password was right. */
async function rehashed(
  { passwords, log }: Pick<Services, 'passwords' | 'log'>,
  password: string,
): Promise<string | null> {
  try {
    return await passwords.hash(password)
  } catch (error) {
    log({ event: 'password_not_rehashed', error: describeError(error) })
    return null
  }
}

function refusal(account: { isActive: boolean; isConfirmed: boolean } | null, matches: boolean): Cause | undefined {
  if (account === null) return 'unknown address'
  if (!matches) return 'wrong password'
  if (!account.isActive) return 'inactive'
  return account.isConfirmed ? undefined : 'unconfirmed'
}

/** A session for a caller, as it will be opened now. */
export async function newSession(
  services: SignInServices,
  { client, cookies }: SignInCaller,
  sid = services.newId(),
): Promise<NewSession> {
  const { settings, tokens, newId } = services
  const replaced = cookies.length === 0 ? [] : await readSessions(tokens, cookies)
  const now = services.now()
  const expiresAt = firstExpiry(now, settings)
  return { sid, jti: newId(), now, expiresAt, client, replaced, sessionsMax: settings.sessionsMax }
}

function firstPair(
  services: SignInServices,
  session: NewSession,
  account: Pair['account'],
  issuer: string,
): Promise<Pair> {
  return signPair(
    services,
    issuer,
    { ...session, issuedAt: session.now, address: session.client.address },
    { id: account.id, guid: account.guid, email: account.email, group: account.group },
  )
}
