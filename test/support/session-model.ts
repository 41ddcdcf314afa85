/**
 * Sections 5 and 6 of the design as a program: what becomes of sessions, places and mails, without a token format, a
 * request or a database. It reads like the rules and is as slow as it likes; the Worker has to agree with it after
 * every step of every history.
 *
 * Two parties are not told apart on purpose: whoever holds a pair may present it. What tells a thief from its owner is
 * the place and the time, and both are in here.
 */

/** Where a request comes from. `line` and `subnet` are its network as the policies cut it. */
export interface Place {
  readonly ip: string
  /** `ip` in its canonical spelling, where that is another one. */
  readonly canonical?: string
  readonly line: string
  readonly subnet: string
  readonly asn: number | null
  readonly country: string | null
}

const HOME = { ip: '203.0.113.7', line: '203.0.113.7/32', subnet: '203.0.113.0/24', asn: 64_496, country: 'IS' }
const SIX = { line: '2001:db8:1:2::/64', subnet: '2001:db8:1::/48', asn: 64_496, country: 'IS' }

export const PLACES = {
  home: HOME,
  /** Home, on a day on which Cloudflare knows nothing about it. */
  homeUnknown: { ...HOME, asn: null, country: null },
  homeMapped: { ...HOME, ip: '::FFFF:203.0.113.7', canonical: '203.0.113.7' },
  sameSubnet: { ...HOME, ip: '203.0.113.99', line: '203.0.113.99/32' },
  homeSix: { ...SIX, ip: '2001:db8:1:2::7' },
  sameLineSix: { ...SIX, ip: '2001:DB8:1:2:0:0:0:99', canonical: '2001:db8:1:2::99' },
  sameSubnetSix: { ...SIX, ip: '2001:db8:1:3::7', line: '2001:db8:1:3::/64' },
  sameNetwork: { ...HOME, ip: '192.0.2.44', line: '192.0.2.44/32', subnet: '192.0.2.0/24' },
  sameCountry: { ip: '192.0.2.130', line: '192.0.2.130/32', subnet: '192.0.2.0/24', asn: 64_497, country: 'IS' },
  abroad: {
    ip: '198.51.100.23',
    line: '198.51.100.23/32',
    subnet: '198.51.100.0/24',
    asn: 64_511,
    country: 'NZ',
  },
} as const satisfies Record<string, Place>
export type PlaceName = keyof typeof PLACES

const POLICIES = ['address', 'subnet', 'asn', 'country', 'off'] as const
export type Policy = (typeof POLICIES)[number]
export interface Settings {
  readonly policy: Policy
  readonly reuseSeconds: number
}

export const ACCESS_TTL_SECONDS = 300
export const REFRESH_TTL_SECONDS = 10 * 86_400
/** So short that a history gets there. */
export const SESSION_MAX_SECONDS = 15 * 86_400
const RACE_SECONDS = 10
const LINK_TTL_SECONDS = 86_400
const ALLOWED_TTL_SECONDS = 90 * 86_400
const KEEP_ENDED_SECONDS = 86_400
const KEEP_MAILS_SECONDS = 30 * 86_400

export interface ModelAccount {
  readonly guid: string
  readonly email: string | null
  /** Known once the account was seen. */
  id: number | null
  isActive: boolean
  /** Until when (seconds), by the name of the place. */
  readonly allowed: Map<string, number>
}

/** What a holder has. The texts are the Worker's own; the model only compares them. */
export interface ModelPair {
  readonly jti: string
  readonly access: string
  readonly refresh: string
  readonly issuedAt: number
  readonly expiresAt: number
  /** The place that it was issued to. */
  readonly place: Place
}

export interface ModelSession {
  readonly sid: string
  readonly account: ModelAccount
  readonly createdAt: number
  live: ModelPair
  /** Pairs that reached a holder, oldest first. An answer that was lost is not among them, but may be the live one. */
  readonly held: ModelPair[]
  previousJti: string | null
  rotatedAt: number | null
  expiresAt: number
  place: Place
  ended: { readonly at: number; readonly reason: EndReason } | null
}

export type EndReason = 'location' | 'reuse' | 'inactive' | 'signed_out' | 'revoked' | 'owner'
export type LinkPurpose = 'end_sessions' | 'allow_place'

export interface ModelMail {
  readonly kind: 'location_blocked' | 'token_reused'
  readonly session: ModelSession
  readonly at: number
  /** The places that *that was me* allows. */
  readonly places: readonly Place[]
  readonly usedAt: Record<LinkPurpose, number | null>
}

export type Refusal = 'token_used' | 'token_not_valid' | 'location_blocked' | 'no_active_account'
/** Why a pair was refused, as the log has it. */
export type Cause = 'out of its time' | 'unknown' | 'revoked' | 'expired' | 'inactive' | 'moved' | 'race' | 'stale'

/** What a presented pair comes to. */
export type Verdict =
  | { readonly kind: 'next' } // the next pair, new
  | { readonly kind: 'same'; readonly pair: ModelPair } // the live pair, again
  | { readonly kind: 'refused'; readonly code: Refusal; readonly cause: Cause }

export class SessionModel {
  now: number
  settings: Settings
  readonly accounts: readonly ModelAccount[]
  /** Every session that was opened: its tokens are around for good. */
  readonly known: ModelSession[] = []
  /** Those that the purge has left. */
  readonly sessions: ModelSession[] = []
  readonly mails: ModelMail[] = []

  constructor(now: number, settings: Settings, accounts: readonly ModelAccount[]) {
    this.now = now
    this.settings = settings
    this.accounts = accounts
  }

  /** The ends of the pair that a session gets now. */
  nextExpiry(createdAt = this.now): number {
    return Math.min(this.now + REFRESH_TTL_SECONDS, createdAt + SESSION_MAX_SECONDS)
  }

  opened(account: ModelAccount, sid: string, pair: ModelPair): ModelSession {
    const session: ModelSession = {
      sid,
      account,
      createdAt: this.now,
      live: pair,
      held: [],
      previousJti: null,
      rotatedAt: null,
      expiresAt: pair.expiresAt,
      place: pair.place,
      ended: null,
    }
    this.known.push(session)
    this.sessions.push(session)
    return session
  }

  /** Presents a pair, and changes what a refusal changes. After `next`, tell the new pair to `rotated`. */
  present(session: ModelSession, pair: ModelPair, place: Place): Verdict {
    if (pair.expiresAt <= this.now) return refused('token_not_valid', 'out of its time')
    if (!this.sessions.includes(session)) return refused('token_used', 'unknown')
    if (session.ended !== null) return refused('token_used', 'revoked')
    if (this.isOver(session)) return refused('token_used', 'expired')
    if (!session.account.isActive) {
      this.end(session, 'inactive')
      return refused('no_active_account', 'inactive')
    }
    if (pair.jti === session.live.jti) {
      if (this.isInPlace(session, pair, place)) return { kind: 'next' }
      this.end(session, 'location')
      this.mail('location_blocked', session, [place, session.place])
      return refused('location_blocked', 'moved')
    }
    const { reuseSeconds } = this.settings
    const age = session.previousJti === pair.jti ? this.now - (session.rotatedAt ?? 0) : Infinity
    if (reuseSeconds > 0 && age <= reuseSeconds && this.isInPlace(session, pair, place)) {
      return { kind: 'same', pair: session.live }
    }
    if (age <= RACE_SECONDS) return refused('token_used', 'race')
    this.end(session, 'reuse')
    this.mail('token_reused', session, [])
    return refused('token_used', 'stale')
  }

  /** Where a session is after its live pair was exchanged from `place`: a visit to an allowed place does not move it. */
  placeAfter(session: ModelSession, pair: ModelPair, place: Place): Place {
    if (!this.isOwnPlace(session, pair, place)) return session.place
    // What Cloudflare does not know this time is not forgotten.
    return { ...place, asn: place.asn ?? session.place.asn, country: place.country ?? session.place.country }
  }

  /** A session got the pair that `present` called for. */
  rotated(session: ModelSession, next: ModelPair): void {
    session.previousJti = session.live.jti
    session.rotatedAt = this.now
    session.live = next
    session.expiresAt = next.expiresAt
    session.place = next.place
  }

  /** Whether a protected route lets an access token in. */
  authenticate(session: ModelSession, pair: ModelPair): Refusal | null {
    if (accessExpiry(pair) <= this.now) return 'token_not_valid'
    if (!this.sessions.includes(session) || this.isOver(session)) return 'token_used'
    return session.account.isActive ? null : 'no_active_account'
  }

  /** Whether introspection calls a token active. */
  isActive(session: ModelSession, pair: ModelPair, type: 'access' | 'refresh'): boolean {
    if (!this.sessions.includes(session) || this.isOver(session) || !session.account.isActive) return false
    return type === 'access' ? accessExpiry(pair) > this.now : pair.jti === session.live.jti
  }

  /** What ended cannot end again: the first reason stands. */
  end(session: ModelSession, reason: EndReason): void {
    if (session.ended !== null || !this.sessions.includes(session)) return
    session.ended = { at: this.now, reason }
    session.expiresAt = Math.min(session.expiresAt, this.now)
  }

  endAllOf(account: ModelAccount, reason: EndReason, except: ModelSession | null): void {
    const others = this.sessions.filter((one) => one.account === account && one !== except)
    for (const session of others.filter((one) => one.expiresAt > this.now)) this.end(session, reason)
  }

  listed(account: ModelAccount): readonly ModelSession[] {
    return this.sessions.filter((session) => session.account === account && !this.isOver(session))
  }

  /** Presses the button of a page with the token of a link. `null`: done. */
  useLink(mail: ModelMail, purpose: LinkPurpose, page: LinkPurpose): Refusal | null {
    if (page !== purpose) return 'token_not_valid'
    if (mail.at + LINK_TTL_SECONDS <= this.now) return 'token_not_valid'
    if (mail.usedAt[purpose] !== null) return 'token_used'
    mail.usedAt[purpose] = this.now
    const { account } = mail.session
    if (purpose === 'end_sessions') this.endAllOf(account, 'owner', null)
    else
      for (const place of mail.places)
        account.allowed.set(nameOf(place, this.settings.policy), this.now + ALLOWED_TTL_SECONDS)
    return null
  }

  /** The cron's round: what is over for long enough is gone. */
  purge(): void {
    retain(this.sessions, (session) => session.expiresAt > this.now - KEEP_ENDED_SECONDS)
    retain(this.mails, (mail) => mail.at > this.now - KEEP_MAILS_SECONDS)
    for (const { allowed } of this.accounts) {
      for (const [place, until] of allowed) if (until <= this.now) allowed.delete(place)
    }
  }

  isOver(session: ModelSession): boolean {
    return session.ended !== null || Math.min(session.expiresAt, session.createdAt + SESSION_MAX_SECONDS) <= this.now
  }

  isInPlace(session: ModelSession, pair: ModelPair, place: Place): boolean {
    // What an owner allowed stays allowed under another policy, too.
    const isAllowed = POLICIES.some((policy) => (session.account.allowed.get(nameOf(place, policy)) ?? 0) > this.now)
    return this.isOwnPlace(session, pair, place) || isAllowed
  }

  private isOwnPlace(session: ModelSession, pair: ModelPair, place: Place): boolean {
    switch (this.settings.policy) {
      case 'off':
        return true
      case 'address':
        return pair.place.line === place.line
      case 'subnet':
        return pair.place.subnet === place.subnet
      case 'asn':
        return pair.place.line === place.line || (place.asn !== null && place.asn === session.place.asn)
      case 'country':
        return pair.place.line === place.line || (place.country !== null && place.country === session.place.country)
    }
  }

  /** The name by which an owner allows a place, under the policy of the day. */
  private mail(kind: ModelMail['kind'], session: ModelSession, places: readonly Place[]): void {
    if (session.account.email === null) return
    this.mails.push({ kind, session, at: this.now, places, usedAt: { end_sessions: null, allow_place: null } })
  }
}

export function accessExpiry({ issuedAt, expiresAt }: ModelPair): number {
  return Math.min(issuedAt + ACCESS_TTL_SECONDS, expiresAt)
}

function refused(code: Refusal, cause: Cause): Verdict {
  return { kind: 'refused', code, cause }
}

function retain<T>(items: T[], keep: (item: T) => boolean): void {
  items.splice(0, items.length, ...items.filter(keep))
}

function nameOf({ line, subnet, asn, country }: Place, policy: Policy): string {
  if (policy === 'asn' && asn !== null) return `asn:${asn}`
  if (policy === 'country' && country !== null) return `country:${country}`
  return policy === 'subnet' ? `subnet:${subnet}` : `address:${line}`
}
