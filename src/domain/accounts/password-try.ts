/**
 * One try of a password. Whatever fails, it takes the same two round trips and the same work, and writes the same rows: a difference
 * would tell anybody which addresses have an account.
 */

import { TesseraError } from '../../errors.ts'
import type { Cause } from '../../log.ts'
import type { TimedCaller } from '../caller.ts'
import { factsOf } from '../mails/notice.ts'
import { limitByAccount } from '../places/rate-limits.ts'
import { clientNetwork, isInSeenPlace, seenAddressKey, seenPlaceKey, SEEN_PLACE_SECONDS } from '../places/seen-place.ts'
import type { Services } from '../services.ts'
import { type Account, normalizeEmail, type SignInAccount, type Verified } from './account.ts'
import { FREE_FAILURES, judge, type Judgement, type JudgedTry, type VerifiedTry } from './attempts.ts'
import type { PasswordCheck } from './passwords.ts'

/** A place is noted again when it was noted a day ago: most sign-ins write no row for it. */
const NOTED_AGAIN_SECONDS = 86_400

/** About as long as the check of a foreign hash takes. */
const FOREIGN_RETRY_SECONDS = 5

export type PasswordTryServices = Pick<
  Services,
  'settings' | 'accounts' | 'attempts' | 'passwords' | 'rates' | 'subjectOf' | 'announce' | 'now'
>

/** What is known of a try before it is decided. */
export interface PasswordTry extends JudgedTry, Pick<VerifiedTry, 'endsCheck'> {
  readonly account: SignInAccount | null
  readonly check: PasswordCheck
}

/**
 * Looks an address up and verifies the password, also where there is no account and where the try is refused anyway. Throws
 * `too_many_requests` and `unavailable`.
 */
export async function tryPassword(
  services: PasswordTryServices,
  { primary_email, password }: { readonly primary_email: string; readonly password: string },
  { client }: TimedCaller,
): Promise<PasswordTry> {
  const { accounts, subjectOf } = services
  const now = services.now()
  const email = normalizeEmail(primary_email)
  const subject = await subjectOf(email)
  const [place, placeAndAddress] = [seenPlaceKey(client), seenAddressKey(client)]
  // By the client, and by nothing that is known of the account: a 429 would tell who has one, and of all clients together it would keep the
  // owner out.
  await limitByAccount(services, `${subject} ${clientNetwork(client.address)}`)
  const asked = { email, subject, place, placeAndAddress }
  const { account, seenAt, seenHereAt, knowsPlaces, knownSince, failures } = await accounts.findForSignIn(asked)
  const isAtHome = isInSeenPlace(client, seenAt, now)
  const isAtOwnAddress = isInSeenPlace(client, seenHereAt, now)
  const judgement = judge(failures, { address: client.address, isAtHome, isAtOwnAddress, now })
  const verified = await verifyJudged(services, password, account, { ...judgement, subject, now })
  return {
    ...judgement,
    ...verified,
    subject,
    account,
    notes: [...(isStale(seenAt, now) ? [place] : []), ...(isStale(seenHereAt, now) ? [placeAndAddress] : [])],
    isNewPlace: !isAtHome && (knowsPlaces || knownSince <= now - SEEN_PLACE_SECONDS),
  }
}

/**
 * Verifies a password, against a decoy where there is no account or no hash, and where the try is refused in any case: the hash of another
 * system takes up to some seconds, which anybody could ask for again and again. So one of an account is verified at a time.
 */
async function verifyJudged(
  { attempts, passwords }: Pick<PasswordTryServices, 'attempts' | 'passwords'>,
  password: string,
  account: SignInAccount | null,
  { subject, topic, waits, now }: Judgement & Pick<VerifiedTry, 'subject' | 'now'>,
): Promise<Pick<PasswordTry, 'check' | 'waits' | 'endsCheck'>> {
  const stored = waits ? null : (account?.passwordHash ?? null)
  if (stored === null || !passwords.isForeign(stored)) {
    return { check: await passwords.verify(password, stored), waits, endsCheck: false }
  }
  const check = await attempts.beginForeignCheck({ subject, topic, now })
  if (check === 'busy') {
    const details = { cause: 'another check', guid: account?.guid, retryAfterSeconds: FOREIGN_RETRY_SECONDS } as const
    throw new TesseraError('too_many_requests', details)
  }
  if (check === 'waits') return { check: await passwords.verify(password, null), waits: true, endsCheck: false }
  try {
    return { check: await passwords.verify(password, stored), waits, endsCheck: true }
  } catch (error) {
    await attempts.endForeignCheck(subject)
    throw error
  }
}

function isStale(seenAt: number | null, now: number): boolean {
  return seenAt === null || seenAt <= now - NOTED_AGAIN_SECONDS
}

/** Why a try is refused, or `undefined`. */
export function refusalOf({ account, check, waits }: PasswordTry): Cause | undefined {
  if (waits) return 'waiting'
  if (account === null) return 'unknown address'
  if (!check.matches) return 'wrong password'
  if (!account.isActive) return 'inactive'
  return account.isConfirmed ? undefined : 'unconfirmed'
}

/** Counts a try that was refused, and tells the owner if it makes strangers wait. */
export async function countRefusal(
  { settings, attempts, announce, now: clock }: PasswordTryServices,
  { subject, topic, endsCheck, account }: PasswordTry,
  caller: TimedCaller,
): Promise<void> {
  const now = clock()
  const userId = account?.id ?? 0
  const mail = await attempts.countFailure({
    subject,
    topic,
    now,
    endsCheck,
    notice: {
      kind: 'sign_ins_paused',
      userId,
      dedupeKey: `sign_ins_paused:${subject}:${now}`,
      facts: { ...factsOf(settings, caller, now), failures: FREE_FAILURES },
    },
  })
  if (mail !== null) caller.afterwards(announce({ id: mail, account: userId }))
}

/**
 * The password of an account, asked for once more where a session alone is not enough: whoever has a token is not yet its owner, and may
 * guess no more often than others. Returns the hash that it fits. Throws `password_not_valid`, which names the field that it stands in, and
 * `unavailable`.
 */
export async function requirePassword(
  services: PasswordTryServices,
  { id, guid, email }: Account,
  password: string,
  field: 'password' | 'current_password',
  caller: TimedCaller,
): Promise<Verified> {
  const tried = await tryPassword(services, { primary_email: email ?? '', password }, caller)
  const { account, check, waits } = tried
  const refuse = (cause: Cause) =>
    new TesseraError('password_not_valid', { cause, guid, fields: { [field]: ['is not right'] } })
  const hash = account?.id === id && check.matches && !waits ? account.passwordHash : null
  if (hash === null) {
    await countRefusal(services, tried, caller)
    throw refuse(waits ? 'waiting' : 'wrong password')
  }
  // Whatever is told from here on tells that the password is right.
  if (await services.attempts.hasToWait({ ...tried, now: services.now() })) throw refuse('waiting')
  return { userId: id, passwordHash: hash }
}
