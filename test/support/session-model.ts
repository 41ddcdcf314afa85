/**
 * docs/sessions.md as a program: what becomes of sessions, places and mails, without a token format, a
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

export type Policy = 'address' | 'subnet' | 'asn' | 'country' | 'off'
const HOLDING: Readonly<Record<Policy, readonly Policy[]>> = {
  address: ['address'],
  subnet: ['address', 'subnet'],
  asn: ['address', 'subnet', 'asn'],
  country: ['address', 'subnet', 'country'],
  off: [],
}
export interface Settings {
  readonly policy: Policy
  readonly reuseSeconds: number
}

export const ACCESS_TTL_SECONDS = 300
export const REFRESH_TTL_SECONDS = 10 * 86_400
/** So short that a history gets there. */
export const SESSION_MAX_SECONDS = 15 * 86_400
/** So few that a history gets there. */
export const SESSIONS_MAX = 4
const RACE_SECONDS = 10
const OFFER_SECONDS = 300
const LINK_TTL_SECONDS = 86_400
const ALLOWED_TTL_SECONDS = 90 * 86_400
const SEEN_SECONDS = 90 * 86_400
const SEEN_AGAIN_SECONDS = 86_400
const KEEP_ENDED_SECONDS = 86_400
const KEEP_MAILS_SECONDS = 30 * 86_400

export interface ModelAccount {
  readonly guid: string
  readonly email: string | null
  /** Known once the account was seen. */
  id: number | null
  isActive: boolean
  /** Sessions that were opened until then are over, but for one. */
  endedBefore: number | null
  endedExcept: ModelSession | null
  /** Until when (seconds), by the name of the place. */
  readonly allowed: Map<string, number>
  /** When it was signed in from a place by password, to a day. */
  readonly seen: Map<string, number>
}

/** What a holder has. The texts are the Worker's own; the model only compares them. */
export interface ModelPair {
  readonly jti: string
  readonly access: string
  readonly refresh: string
  readonly issuedAt: number
  /** When its access token began: later than the pair, where a lost answer was healed by proof. */
  readonly accessFrom: number
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
  /** Where it was refreshed last, where that was an allowed place. */
  visit: Place | null
  ended: { readonly at: number; readonly reason: EndReason } | null
  /** How its refreshes prove a key, where they have to. */
  boundBy: Binding | null
  /** The refresh by proof that rotated it last, as it was sent. */
  lastProof: {
    readonly via: Via
    readonly pair: ModelPair
    readonly headers: Readonly<Record<string, string>>
    /** Whether a browser signed the challenge that it had kept, or a new one. */
    readonly isKept: boolean
  } | null
  /** What its sign-in offered to browsers that bind their sessions. */
  readonly offer: { readonly challenge: string; readonly at: number } | null
}

/** Apps make DPoP proofs, and browsers sign challenges (DBSC). */
export type Binding = 'dpop' | 'dbsc'

/**
 * What a request proves: nothing, to have the key of its session, or to have another one. `kept`: a browser signed the challenge that came with
 * the token. `copy`: the proof of the last refresh, again.
 */
export type ModelProof = 'none' | 'own' | 'kept' | 'other' | 'copy'

/**
 * How a pair is presented: both tokens by GET or POST, or the refresh token alone by JSON, or to /refresh/device. `bare`: by POST without the
 * access token, whose cookie a browser has not kept.
 */
export type Via = 'json' | 'GET' | 'POST' | 'bare' | 'device'

export type EndReason = 'location' | 'reuse' | 'inactive' | 'signed_out' | 'revoked' | 'replaced' | 'crowded_out'
export type LinkPurpose = 'end_sessions' | 'allow_place'

export interface ModelMail {
  readonly kind: 'location_blocked' | 'token_reused' | 'new_sign_in' | 'other_key'
  readonly session: ModelSession
  readonly at: number
  /** The places that *that was me* may allow: where the session was blocked, and, if its owner says so, its former one. */
  readonly places: readonly Place[]
  readonly usedAt: Record<LinkPurpose, number | null>
}

export type Refusal =
  | 'wrong_data_structure'
  | 'token_missing'
  | 'token_used'
  | 'token_not_valid'
  | 'location_blocked'
  | 'no_active_account'
  | 'dpop_proof_not_valid'
  | 'device_proof_required'
/** What a bound session answers where its key was not proven. */
const UNPROVEN = { dpop: 'dpop_proof_not_valid', dbsc: 'device_proof_required' } as const satisfies Record<
  Binding,
  Refusal
>
/** Why a pair was refused, as the log has it. `no access token` and `first half` are not in the log: the answer says all there is to say. */
export type Cause =
  | 'no access token'
  | 'first half'
  | 'out of its time'
  | 'unknown'
  | 'ended'
  | 'expired'
  | 'inactive'
  | 'moved'
  | 'race'
  | 'reused'
  | 'unproven'
  | 'other_key'
  | 'proof_used'
  | 'challenge'

/** What a presented pair comes to. */
export type Verdict =
  | { readonly kind: 'next' } // the next pair, new
  | { readonly kind: 'same'; readonly pair: ModelPair } // the live pair, again
  | { readonly kind: 'nothing new' } // the access token is good, and only its browser gets the next pair
  | { readonly kind: 'refused'; readonly code: Refusal; readonly cause: Cause }

/** What a sign-in brings along, and what its answer offers. */
export interface SignIn {
  readonly replaced: readonly ModelSession[]
  readonly boundBy: Binding | null
  readonly challenge: string | null
}

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

  /** A sign-in, with the access cookies that came along. */
  opened(account: ModelAccount, sid: string, pair: ModelPair, { replaced, boundBy, challenge }: SignIn): ModelSession {
    const session: ModelSession = {
      sid,
      account,
      // So that it outlives whatever ended all sessions in this very second.
      createdAt: Math.max(this.now, (account.endedBefore ?? -1) + 1),
      live: pair,
      held: [],
      previousJti: null,
      rotatedAt: null,
      expiresAt: pair.expiresAt,
      place: pair.place,
      visit: null,
      ended: null,
      boundBy,
      lastProof: null,
      offer: challenge === null ? null : { challenge, at: this.now },
    }
    for (const one of replaced) this.end(one, 'replaced')
    this.known.push(session)
    this.sessions.push(session)
    this.endOldest(session)
    return session
  }

  /** A session that a password opened: accounts of the model are old, so that their first place is a new one, too. */
  signedIn(session: ModelSession): void {
    const { account, place } = session
    const key = `${place.country} ${place.asn ?? place.subnet}`
    const seenAt = account.seen.get(key) ?? 0
    if (seenAt <= this.now - SEEN_SECONDS) this.mail('new_sign_in', session, [])
    if (seenAt <= this.now - SEEN_AGAIN_SECONDS) account.seen.set(key, this.now)
  }

  /** An account has so many sessions; a sign-in beyond that ends those that were opened first. */
  private endOldest(opened: ModelSession): void {
    const { account } = opened
    const others = this.sessions
      .filter((one) => one.account === account && one !== opened && one.ended === null)
      .filter((one) => !this.isEndedByAccount(one))
      .map((one) => ({ one, order: this.sessions.indexOf(one) }))
      .toSorted((a, b) => b.one.createdAt - a.one.createdAt || b.order - a.order)
    for (const { one } of others.slice(SESSIONS_MAX - 1)) this.end(one, 'crowded_out')
  }

  /** Presents a pair, and changes what a refusal changes. After `next`, tell the new pair to `rotated`. */
  present(session: ModelSession, pair: ModelPair, place: Place, via: Via, sent: ModelProof = 'none'): Verdict {
    if (via === 'bare') {
      const asked = this.ask(session, pair, 'unproven')
      const isAskedForProof = asked.kind === 'refused' && asked.code === 'device_proof_required'
      return isAskedForProof ? asked : refused('token_missing', 'no access token')
    }
    // Neither GET nor POST carries a proof.
    const proof = via === 'json' || via === 'device' ? sent : 'none'
    if (via === 'device' && proof === 'none') return this.ask(session, pair)
    // A browser signed a challenge for one token, which is good with that one alone.
    if (via === 'device' && proof === 'copy' && pair !== session.lastProof?.pair)
      return this.ask(session, pair, 'challenge')
    // A copy of a whole request lasts as long as the challenge that a browser kept.
    const isKept = proof === 'kept' || (proof === 'copy' && session.lastProof?.isKept === true)
    const hasKey = proof === 'own' || (proof === 'copy' && !isKept)
    if (pair.expiresAt <= this.now) return refused('token_not_valid', 'out of its time')
    if (!this.sessions.includes(session)) return refused('token_used', 'unknown')
    if (this.isEnded(session)) {
      // The last token was its client's. Any other shows that it was in two hands, unless it was worth nothing there.
      const isWorthless = session.boundBy !== null && !hasKey
      if (pair.jti === session.live.jti || !session.account.isActive || isWorthless)
        return refused('token_used', 'ended')
      return this.reused(session)
    }
    if (this.isOver(session)) return refused('token_used', 'expired')
    if (!session.account.isActive) {
      this.end(session, 'inactive')
      return refused('no_active_account', 'inactive')
    }
    if (session.boundBy !== null) return this.presentBound(session, session.boundBy, pair, { via, proof, isKept })
    if (pair.jti === session.live.jti) {
      if (this.isInPlace(session, pair, place)) return { kind: 'next' }
      this.end(session, 'location')
      this.mail('location_blocked', session, [place, session.place])
      return refused('location_blocked', 'moved')
    }
    const { reuseSeconds } = this.settings
    const isPredecessor = session.previousJti === pair.jti && this.isInPlace(session, pair, place)
    const age = isPredecessor ? this.now - (session.rotatedAt ?? 0) : Infinity
    if (reuseSeconds > 0 && age <= reuseSeconds) return { kind: 'same', pair: session.live }
    if (age <= RACE_SECONDS) return refused('token_used', 'race')
    return this.reused(session)
  }

  /** Of a bound session, the key decides, and neither place nor time. Without it nothing changes. */
  private presentBound(
    session: ModelSession,
    boundBy: Binding,
    pair: ModelPair,
    { via, proof, isKept }: { readonly via: Via; readonly proof: ModelProof; readonly isKept: boolean },
  ): Verdict {
    if (proof === 'none') {
      // The page of a browser that refreshes by itself goes on, until the access token ends.
      const isBothTokens = via === 'GET' || via === 'POST'
      if (boundBy === 'dbsc' && isBothTokens && accessExpiry(pair) > this.now) return { kind: 'nothing new' }
      return refused(UNPROVEN[boundBy], 'unproven')
    }
    if (proof === 'other') {
      this.mailOnce('other_key', session)
      return refused(UNPROVEN[boundBy], 'other_key')
    }
    // It gets the next pair for the live token, and ends nothing.
    if (isKept && pair.jti !== session.live.jti) return refused(UNPROVEN[boundBy], 'proof_used')
    if (pair.jti !== session.live.jti && pair.jti !== session.previousJti) return this.reused(session)
    if (proof === 'copy') return refused(UNPROVEN[boundBy], 'proof_used')
    // A lost answer is healed by a new proof, however late.
    return pair.jti === session.live.jti ? { kind: 'next' } : { kind: 'same', pair: session.live }
  }

  /** A refresh token at /refresh/device without a proof: it is told what its session needs, and nothing changes. */
  ask(session: ModelSession, pair: ModelPair, cause: 'first half' | 'unproven' | 'challenge' = 'first half'): Verdict {
    if (pair.expiresAt <= this.now) return refused('token_not_valid', 'out of its time')
    if (!this.sessions.includes(session)) return refused('token_used', 'unknown')
    const { boundBy, account } = session
    if (this.isEnded(session)) {
      const isUsed = boundBy === null && pair.jti !== session.live.jti && account.isActive
      return isUsed ? refused('token_missing', 'no access token') : refused('token_used', 'ended')
    }
    if (this.isOver(session)) return refused('token_used', 'expired')
    if (!account.isActive) return refused('no_active_account', 'inactive')
    return boundBy === null ? refused('token_missing', 'no access token') : refused(UNPROVEN[boundBy], cause)
  }

  /** A browser takes the offer of a sign-in, with an access token of its session. `null`: bound. */
  register(session: ModelSession, pair: ModelPair, key: 'own' | 'other'): Refusal | null {
    if (accessExpiry(pair) <= this.now) return 'token_not_valid'
    if (session.offer === null || session.offer.at + OFFER_SECONDS <= this.now) return 'wrong_data_structure'
    if (!this.sessions.includes(session) || this.isOver(session) || !session.account.isActive) return 'token_used'
    // Its page has refreshed meanwhile: the cookies of two answers would not fit together.
    if (pair.jti !== session.live.jti) return 'token_used'
    // The same browser may come again. Nobody binds over another key.
    const isItsKey = session.boundBy === 'dbsc' && key === 'own'
    if (session.boundBy !== null && !isItsKey) return 'token_used'
    session.boundBy = 'dbsc'
    return null
  }

  /** A token of the session was presented that somebody had used. */
  reused(session: ModelSession): Verdict {
    this.end(session, 'reuse')
    this.mailOnce('token_reused', session)
    return refused('token_used', 'reused')
  }

  /** Where a session is after its live pair was exchanged from `place`: a visit to an allowed place does not move it. */
  placeAfter(session: ModelSession, pair: ModelPair, place: Place): Place {
    if (this.isVisit(session, pair, place)) return session.place
    // With its key, a session may be anywhere.
    if (!this.isOwnPlace(session, pair, place)) return place
    // What Cloudflare does not know this time is not forgotten.
    return { ...place, asn: place.asn ?? session.place.asn, country: place.country ?? session.place.country }
  }

  /** A session got the pair that `present` called for, from `from`. */
  rotated(session: ModelSession, next: ModelPair, from: Place, isVisit: boolean): void {
    session.visit = isVisit ? from : null
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

  /** Whether an access token may see or change what its account has, from `place`. */
  govern(session: ModelSession, pair: ModelPair, place: Place): Refusal | null {
    const here = { ...pair, place: session.place }
    return this.authenticate(session, pair) ?? (this.isInPlace(session, here, place) ? null : 'location_blocked')
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
  }

  /** Ends all that was opened until now, by a clock that is ahead, too. */
  endAllOf(account: ModelAccount, except: ModelSession | null): void {
    const opened = this.sessions.filter((one) => one.account === account && one.ended === null)
    const newest = Math.max(...opened.map(({ createdAt }) => createdAt), 0)
    account.endedBefore = Math.max(this.now, account.endedBefore ?? 0, newest)
    account.endedExcept = except
  }

  private isEnded(session: ModelSession): boolean {
    return session.ended !== null || this.isEndedByAccount(session)
  }

  isEndedByAccount(session: ModelSession): boolean {
    const { endedBefore, endedExcept } = session.account
    return endedBefore !== null && session.createdAt <= endedBefore && session !== endedExcept
  }

  listed(account: ModelAccount): readonly ModelSession[] {
    return this.sessions.filter((session) => session.account === account && !this.isOver(session))
  }

  /** Presses the button of a page with the token of a link. `null`: done. */
  useLink(mail: ModelMail, purpose: LinkPurpose, page: LinkPurpose, isFormerToo: boolean): Refusal | null {
    if (page !== purpose) return 'token_not_valid'
    if (mail.at + LINK_TTL_SECONDS <= this.now) return 'token_not_valid'
    // Whoever ended all sessions did not know the place.
    if (mail.usedAt[purpose] !== null || mail.usedAt.end_sessions !== null) return 'token_used'
    mail.usedAt[purpose] = this.now
    const { account } = mail.session
    if (purpose === 'end_sessions') {
      this.endAllOf(account, null)
      account.allowed.clear()
      return null
    }
    for (const place of mail.places.slice(0, isFormerToo ? 2 : 1)) {
      account.allowed.set(nameOf(place, this.settings.policy), this.now + ALLOWED_TTL_SECONDS)
    }
    return null
  }

  /** A day of the cron: what is over for long enough is gone. */
  purge(): void {
    retain(this.sessions, ({ expiresAt, ended, previousJti }) => {
      // Used tokens show that a session was in two hands, until the owner was told so.
      const isWitness = previousJti !== null && ended?.reason !== 'reuse'
      const tellsUntil = ended === null || isWitness ? expiresAt : Math.min(expiresAt, ended.at)
      return tellsUntil > this.now - KEEP_ENDED_SECONDS
    })
    retain(this.mails, (mail) => mail.at > this.now - KEEP_MAILS_SECONDS)
    for (const { allowed } of this.accounts) {
      for (const [place, until] of allowed) if (until <= this.now) allowed.delete(place)
    }
  }

  isOver(session: ModelSession): boolean {
    if (this.isEnded(session)) return true
    return Math.min(session.expiresAt, session.createdAt + SESSION_MAX_SECONDS) <= this.now
  }

  isInPlace(session: ModelSession, pair: ModelPair, place: Place): boolean {
    // What an owner allowed under a narrower policy holds, and nothing wider than that of today.
    const isAllowed = HOLDING[this.settings.policy].some(
      (policy) => (session.account.allowed.get(nameOf(place, policy)) ?? 0) > this.now,
    )
    return this.isOwnPlace(session, pair, place) || isAllowed
  }

  /** Whether a refresh from there is a visit, after which the session is where it was. */
  isVisit(session: ModelSession, pair: ModelPair, place: Place): boolean {
    return session.boundBy === null && !this.isOwnPlace(session, pair, place)
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

  private mailOnce(kind: ModelMail['kind'], session: ModelSession): void {
    if (!this.mails.some((mail) => mail.kind === kind && mail.session === session)) this.mail(kind, session, [])
  }

  private mail(kind: ModelMail['kind'], session: ModelSession, places: readonly Place[]): void {
    if (session.account.email === null) return
    this.mails.push({ kind, session, at: this.now, places, usedAt: { end_sessions: null, allow_place: null } })
  }
}

export function accessExpiry({ accessFrom, expiresAt }: Pick<ModelPair, 'accessFrom' | 'expiresAt'>): number {
  return Math.min(accessFrom + ACCESS_TTL_SECONDS, expiresAt)
}

function refused(code: Refusal, cause: Cause): Verdict {
  return { kind: 'refused', code, cause }
}

function retain<T>(items: T[], keep: (item: T) => boolean): void {
  items.splice(0, items.length, ...items.filter(keep))
}

/** The name by which an owner allows a place, under the policy of the day. */
function nameOf({ line, subnet, asn, country }: Place, policy: Policy): string {
  if (policy === 'asn' && asn !== null) return `asn:${asn}`
  if (policy === 'country' && country !== null) return `country:${country}`
  return policy === 'subnet' ? `subnet:${subnet}` : `address:${line}`
}
