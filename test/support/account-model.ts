/**
 * docs/accounts.md as a program: who has which address and password, which links still do something, who has to wait, and which mail is due.
 * It knows no token format, no request and no database; the Worker has to agree with it after every step of every history.
 */

export const DAY_SECONDS = 86_400
export const ACCESS_TTL_SECONDS = 3600
const SESSION_SECONDS = 10 * DAY_SECONDS
const MAILS_A_DAY = 5
const FREE_FAILURES = 10
const FIRST_WAIT_SECONDS = 60
const TOLD_FAILURES = 3
const SEEN_SECONDS = 90 * DAY_SECONDS
const KEEP_REGISTRATIONS_SECONDS = 2 * DAY_SECONDS
const KEEP_MAILS_SECONDS = 30 * DAY_SECONDS

/** Where somebody is: two clients of one network, and one far from it. */
export const PLACES = {
  home: { ip: '203.0.113.7', asn: 64_496, country: 'IS', seen: 'IS/AS64496' },
  neighbour: { ip: '203.0.113.99', asn: 64_496, country: 'IS', seen: 'IS/AS64496' },
  abroad: { ip: '198.51.100.23', asn: 64_511, country: 'NZ', seen: 'NZ/AS64511' },
} as const
export type PlaceName = keyof typeof PLACES

/** The links, and how long each works. */
export const LINK_SECONDS = {
  confirm: DAY_SECONDS,
  reset_password: 3600,
  confirm_email: DAY_SECONDS,
  undo_email: 7 * DAY_SECONDS,
} as const
export type Purpose = keyof typeof LINK_SECONDS

export type MailKind =
  | 'confirm_address'
  | 'address_taken'
  | 'reset_password'
  | 'password_changed'
  | 'confirm_email'
  | 'email_changed'
  | 'account_left'
  | 'new_sign_in'
  | 'sign_ins_paused'

export interface Person {
  /** Known once the account is there. */
  id: number
  email: string | null
  password: string | null
  isActive: boolean
  isConfirmed: boolean
  hasLeft: boolean
  readonly createdAt: number
  /** Counts changes of the password and of the address. */
  version: number
  /** Sessions that were opened until then are over, but for one. */
  endedBefore: number
  endedExcept: Session | null
  /** When it was signed in from a place, to a day. */
  readonly seen: Map<string, number>
}

export interface Session {
  readonly person: Person
  readonly issuedAt: number
  readonly createdAt: number
  readonly access: string
  readonly refresh: string
}

interface Registration {
  readonly email: string
  readonly password: string
  readonly at: number
}

export interface Mail {
  readonly kind: MailKind
  readonly recipient: string
  readonly person: Person | null
  readonly at: number
  /** Of the account, when it became due. */
  readonly version: number
  readonly registration: Registration | null
}

interface Change {
  readonly mail: Mail
  readonly person: Person
  readonly former: string
}

interface Tries {
  count: number
  since: number
  at: number
  waitsUntil: number
}

type LinkRefusal = 'token_not_valid' | 'token_used'

export class AccountModel {
  now: number
  readonly people: Person[]
  /** Every session that was opened, and those whose rows went with their account. */
  readonly sessions: Session[] = []
  readonly removed = new Set<Session>()
  readonly registrations: Registration[] = []
  /** Every mail that became due: its links are around for good. Those that the purge has left are in the outbox. */
  readonly mails: Mail[] = []
  readonly outbox: Mail[] = []
  readonly changes: Change[] = []
  private readonly tries = new Map<string, Tries>()
  private readonly told = new Set<string>()

  constructor(now: number, people: Person[]) {
    this.now = now
    this.people = people
  }

  ownerOf(email: string): Person | null {
    return this.people.find((one) => one.email === email) ?? null
  }

  /** Whoever signs up gets the link; whoever has the account is told. */
  register(email: string, password: string): void {
    const isWithin = this.counts('register', email)
    const registration = { email, password, at: this.now }
    this.registrations.push(registration)
    if (this.ownerOf(email) !== null) this.tellTaken(isWithin, email)
    else if (isWithin) this.mail('confirm_address', email, null, registration)
  }

  /** The newest registration that had a link gets one again. */
  resend(email: string): void {
    const hadLink = (one: Registration) => this.outbox.some(({ registration }) => registration === one)
    const newest = this.registrations.findLast((one) => one.email === email && hadLink(one))
    if (!this.counts('resend', email) || newest === undefined) return
    const again = { ...newest, at: this.now }
    this.registrations.push(again)
    if (this.ownerOf(email) === null) this.mail('confirm_address', email, null, again)
  }

  forgot(email: string): void {
    const owner = this.ownerOf(email)
    if (this.counts('forgot', email) && owner?.isActive === true) this.mail('reset_password', email, owner)
  }

  /** Whether the link of a mail does something. It is of this purpose, and young enough. */
  refusal(mail: Mail, purpose: Purpose): LinkRefusal | null {
    if (PURPOSES[mail.kind] !== purpose || mail.at + LINK_SECONDS[purpose] <= this.now) return 'token_not_valid'
    const { person, recipient } = mail
    const isBound = person?.isActive === true && person.version === mail.version
    switch (purpose) {
      case 'confirm':
        return this.isRegistered(mail) && this.ownerOf(recipient) === null ? null : 'token_used'
      case 'reset_password':
        return isBound ? null : 'token_used'
      case 'confirm_email':
        return isBound && this.ownerOf(recipient) === null ? null : 'token_used'
      case 'undo_email':
        return person?.isActive === true &&
          this.changes.some((one) => one.mail === mail) &&
          this.ownerOf(recipient) === null
          ? null
          : 'token_used'
    }
  }

  /** The account is there, and every other link of the address is void. */
  confirm({ recipient, registration }: Mail, id: number): void {
    const person: Person = {
      ...newPerson(recipient, registration?.password ?? null, this.now),
      id,
      isConfirmed: true,
    }
    this.people.push(person)
    this.forgetRegistrations(recipient)
  }

  /** A registration that came too late is over. */
  confirmLate(mail: Mail): void {
    if (this.isRegistered(mail)) this.forgetRegistrations(mail.recipient)
  }

  reset({ person, recipient }: Mail, password: string): void {
    if (person === null) return
    this.changeCredentials(person, { password })
    this.endAllOf(person, null)
    for (const key of this.tries.keys()) if (key.startsWith(`${recipient} `)) this.tries.delete(key)
    this.mail('password_changed', recipient, person)
  }

  changePassword(session: Session, password: string): void {
    const { person } = session
    this.endAllOf(person, session)
    this.changeCredentials(person, { password })
    this.mail('password_changed', String(person.email), person)
  }

  /** The new address gets a link, or its owner is told. */
  askAddress({ person }: Session, email: string): void {
    const isWithin = this.counts('change_email', email)
    if (this.ownerOf(email) !== null) this.tellTaken(isWithin, email)
    else if (isWithin) this.mail('confirm_email', email, person)
  }

  confirmAddress({ person, recipient }: Mail): void {
    if (person === null) return
    const former = String(person.email)
    this.mail('email_changed', former, person)
    const mail = this.mails.at(-1)
    if (mail !== undefined) this.changes.push({ mail, person, former })
    this.changeCredentials(person, { email: recipient })
  }

  /** The former address is back; the password is none any more, later changes are void, and no place is known. */
  undoAddress(mail: Mail): void {
    const { person } = mail
    if (person === null) return
    const from = this.changes.findIndex((one) => one.mail === mail)
    retain(this.changes, (one) => one.person !== person || this.changes.indexOf(one) < from)
    this.endAllOf(person, null)
    this.changeCredentials(person, { email: mail.recipient, password: null })
    person.seen.clear()
  }

  /** An operator makes an account, whose address counts as confirmed. `false`: another one has it. */
  create(email: string, password: string, id: number): void {
    this.people.push({ ...newPerson(email, password, this.now), id, isConfirmed: true })
  }

  /** An operator closes an account or opens it again: its sessions end for good, and links of the former state are void. */
  setActiveByOperator(person: Person, isActive: boolean): void {
    if (person.isActive === isActive) return
    this.endAllOf(person, null)
    Object.assign(person, { isActive, version: person.version + 1 })
  }

  /** An operator gives an account another password: every session ends, and every wait. */
  setPasswordByOperator(person: Person, password: string): void {
    this.mail('password_changed', String(person.email), person)
    this.endAllOf(person, null)
    Object.assign(person, { password, version: person.version + 1 })
    this.forgetFormer(person)
    for (const key of this.tries.keys()) if (key.startsWith(`${person.email} `)) this.tries.delete(key)
  }

  /** An operator gives an account another address: every session ends, and no link takes it back, an earlier one neither. */
  setAddressByOperator(person: Person, email: string): void {
    if (person.email === email) return
    this.mail('email_changed', String(person.email), person)
    this.endAllOf(person, null)
    Object.assign(person, { email, version: person.version + 1 })
    this.forgetFormer(person)
  }

  endSessionsByOperator(person: Person): void {
    this.endAllOf(person, null)
  }

  /** Nothing of the person is left. */
  leave({ person }: Pick<Session, 'person'>): void {
    const email = String(person.email)
    this.mail('account_left', email, person)
    this.endAllOf(person, null)
    for (const one of this.sessions) if (one.person === person) this.removed.add(one)
    Object.assign(person, { email: null, password: null, isActive: false, isConfirmed: false, hasLeft: true })
    person.version += 1
    person.seen.clear()
    retain(this.changes, (one) => one.person !== person)
    for (const key of this.tries.keys()) if (key.startsWith(`${email} `)) this.tries.delete(key)
    this.forgetRegistrations(email)
  }

  /** Whether a password is right, and may be tried. What fails is counted, for whoever waits as well as for whoever is unknown. */
  tryPassword(email: string, password: string, place: PlaceName, mustBeOpen: boolean): boolean {
    const { key, tries } = this.judging(email, place)
    const owner = this.ownerOf(email)
    const isOpen = owner !== null && (!mustBeOpen || (owner.isActive && owner.isConfirmed))
    if (isOpen && owner.password === password && !this.waits(tries)) return true
    this.fail(email, key, tries, owner)
    return false
  }

  /** A sign-in whose password was right. The first place of a new account is not new. */
  signedIn(person: Person, place: PlaceName, tokens: Pick<Session, 'access' | 'refresh'>): void {
    const { key, tries } = this.judging(String(person.email), place)
    const createdAt = Math.max(this.now, person.endedBefore + 1)
    this.sessions.push({ person, createdAt, issuedAt: this.now, ...tokens })
    const { seen } = PLACES[place]
    const isKnown = this.isAtHome(person, place)
    const isOld = person.seen.size > 0 || person.createdAt <= this.now - SEEN_SECONDS
    const strangers = `${person.email} sign_in`
    const counted = [...this.tries].filter(([one]) =>
      key === strangers ? one === key : one.startsWith(`${strangers} `),
    )
    const failures = counted.reduce((sum, [, one]) => sum + (this.isInARow(one) ? one.count : 0), 0)
    if ((!isKnown && isOld) || failures >= TOLD_FAILURES) this.mail('new_sign_in', String(person.email), person)
    if (this.isInARow(tries)) this.tries.delete(key)
    if ((person.seen.get(seen) ?? -Infinity) <= this.now - DAY_SECONDS) person.seen.set(seen, this.now)
  }

  /** Whether somebody may act by the access token of a session. */
  govern(session: Session): LinkRefusal | 'no_active_account' | null {
    if (session.issuedAt + ACCESS_TTL_SECONDS <= this.now) return 'token_not_valid'
    if (!this.isOpen(session)) return 'token_used'
    return session.person.isActive ? null : 'no_active_account'
  }

  isAlive(session: Session): boolean {
    return this.isOpen(session) && session.person.isActive
  }

  /** A day of the cron. */
  purge(): void {
    retain(this.registrations, ({ at }) => at > this.now - KEEP_REGISTRATIONS_SECONDS)
    retain(this.changes, ({ mail }) => mail.at > this.now - LINK_SECONDS.undo_email)
    retain(this.outbox, ({ at }) => at > this.now - KEEP_MAILS_SECONDS)
    for (const { seen } of this.people) {
      for (const [place, at] of seen) if (at <= this.now - SEEN_SECONDS) seen.delete(place)
    }
  }

  /** No earlier change of the address can be taken back, and no place is known. */
  private forgetFormer(person: Person): void {
    retain(this.changes, (one) => one.person !== person)
    person.seen.clear()
  }

  private isOpen(session: Session): boolean {
    const { endedBefore, endedExcept } = session.person
    if (this.removed.has(session) || session.issuedAt + SESSION_SECONDS <= this.now) return false
    return session.createdAt > endedBefore || session === endedExcept
  }

  private isRegistered({ registration }: Mail): boolean {
    return registration !== null && this.registrations.includes(registration)
  }

  private changeCredentials(person: Person, changed: Partial<Pick<Person, 'email' | 'password'>>): void {
    Object.assign(person, changed, { isConfirmed: true })
    person.version += 1
  }

  private endAllOf(person: Person, except: Session | null): void {
    const opened = this.sessions.filter((one) => one.person === person).map(({ createdAt }) => createdAt)
    person.endedBefore = Math.max(this.now, person.endedBefore, ...opened)
    person.endedExcept = except
  }

  private forgetRegistrations(email: string): void {
    retain(this.registrations, (one) => one.email !== email)
  }

  /** Counts a request for a mail. Whether there is one: five a day of each kind. */
  private counts(topic: string, email: string): boolean {
    const key = `${email} ${topic}`
    const known = this.tries.get(key)
    const isOver = known === undefined || known.since <= this.now - DAY_SECONDS
    const counted = isOver ? { count: 1, since: this.now } : { count: known.count + 1, since: known.since }
    this.tries.set(key, { ...counted, at: this.now, waitsUntil: 0 })
    return counted.count <= MAILS_A_DAY
  }

  private tellTaken(isWithin: boolean, email: string): void {
    const day = `${email} ${Math.floor(this.now / DAY_SECONDS)}`
    if (!isWithin || this.told.has(day)) return
    this.told.add(day)
    this.mail('address_taken', email, this.ownerOf(email))
  }

  /** By what a try is judged: all strangers by one count, and each client at home by its own. */
  private judging(email: string, place: PlaceName): { readonly key: string; readonly tries: Tries | undefined } {
    const owner = this.ownerOf(email)
    const isAtHome = owner !== null && this.isAtHome(owner, place)
    const key = `${email} sign_in${isAtHome ? ` ${PLACES[place].ip}` : ''}`
    return { key, tries: this.tries.get(key) }
  }

  private isAtHome(person: Person, place: PlaceName): boolean {
    return (person.seen.get(PLACES[place].seen) ?? -Infinity) > this.now - SEEN_SECONDS
  }

  private waits(tries: Tries | undefined): boolean {
    return tries !== undefined && tries.waitsUntil > this.now
  }

  private isInARow(tries: Tries | undefined): boolean {
    return tries !== undefined && Math.max(tries.at, tries.waitsUntil) > this.now - DAY_SECONDS
  }

  private fail(email: string, key: string, tries: Tries | undefined, owner: Person | null): void {
    if (tries === undefined || !this.isInARow(tries)) {
      this.tries.set(key, { count: 1, since: this.now, at: this.now, waitsUntil: tries?.waitsUntil ?? 0 })
      return
    }
    tries.at = this.now
    if (!this.waits(tries)) {
      tries.count += 1
      const beyond = tries.count - FREE_FAILURES
      if (beyond >= 0) tries.waitsUntil = this.now + Math.min(DAY_SECONDS, FIRST_WAIT_SECONDS * 2 ** beyond)
    }
    // Told by whichever try comes in the second in which the wait begins: there may be an account only by then.
    const begins = tries.count === FREE_FAILURES && tries.waitsUntil === this.now + FIRST_WAIT_SECONDS
    const isStrangers = key === `${email} sign_in`
    const told = `${key} ${this.now}`
    if (!begins || !isStrangers || this.told.has(told) || owner?.isActive !== true || !owner.isConfirmed) return
    this.told.add(told)
    this.mail('sign_ins_paused', email, owner)
  }

  private mail(kind: MailKind, recipient: string, person: Person | null, registration: Registration | null = null) {
    const mail = { kind, recipient, person, at: this.now, version: person?.version ?? 0, registration }
    this.mails.push(mail)
    this.outbox.push(mail)
  }
}

const PURPOSES: Readonly<Partial<Record<MailKind, Purpose>>> = {
  confirm_address: 'confirm',
  reset_password: 'reset_password',
  confirm_email: 'confirm_email',
  email_changed: 'undo_email',
}

export function newPerson(email: string, password: string | null, createdAt: number): Person {
  return {
    id: 0,
    email,
    password,
    isActive: true,
    isConfirmed: false,
    hasLeft: false,
    createdAt,
    version: 0,
    endedBefore: 0,
    endedExcept: null,
    seen: new Map(),
  }
}

/** The purpose of the link that a mail has, if it has one. */
export function purposeOf({ kind }: Mail): Purpose | null {
  return PURPOSES[kind] ?? null
}

function retain<T>(items: T[], keep: (item: T) => boolean): void {
  const kept = items.filter(keep)
  items.splice(0, items.length, ...kept)
}
