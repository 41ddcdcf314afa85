/**
 * The ports, in memory: a clock that stands still, ids that count, and one table of sessions. The signatures and the
 * keys are real. A fake stores what it is told and decides nothing that the rules should; the conditions of `rotate`
 * and `end` are those of the statements in D1, which the worker ring tests.
 */

import { GUID } from './accounts.ts'
import { createDoubts } from '../../src/domain/sessions/doubts.ts'
import type { PasswordPrimitives } from '../../src/domain/accounts/password-engines.ts'
import { createPasswords } from '../../src/domain/accounts/passwords.ts'
import type { Client } from '../../src/domain/places/place.ts'
import type { Account, SignInAccount } from '../../src/domain/accounts/account.ts'
import type { CountedFailures, FailedTry } from '../../src/domain/accounts/attempts.ts'
import type {
  FoundSession,
  JudgedSignIn,
  NewSession,
  Rotation,
  Session,
  SessionEnd,
} from '../../src/domain/sessions/session.ts'
import type { LinkStore } from '../../src/domain/mails/links.ts'
import type { MailRef } from '../../src/domain/mails/outbox.ts'
import type { AllowedPlaceStore } from '../../src/domain/places/allowed-place.ts'
import type { Services } from '../../src/domain/services.ts'
import type { Settings } from '../../src/domain/settings.ts'
import { createTokens } from '../../src/domain/tokens/tokens.ts'
import { testKeys } from './forge.ts'

export const NOW = 1_800_000_000
export const ISSUER = 'https://auth.example.com'
export const HOME: Client = {
  address: '203.0.113.7',
  asn: 64_496,
  country: 'IS',
  city: 'Reykjavík',
  provider: 'Example Net',
  userAgent: 'curl/8.9.1',
}
/** An account as tokens show it. */
export const ACCOUNT = {
  id: 7,
  guid: GUID,
  email: 'somebody@example.com',
  group: 'user',
  externalId: null,
  ownClaims: null,
}
export const ELSEWHERE: Client = { ...HOME, address: '198.51.100.23', asn: 64_511, country: 'NZ' }

export const DEFAULT_SETTINGS: Settings = {
  issueAccess: 'open',
  publicUrl: undefined,
  basePath: '',
  audience: undefined,
  accessTtlSeconds: 300,
  refreshTtlSeconds: 864_000,
  sessionMaxSeconds: 7_776_000,
  sessionsMax: 100,
  refreshReuseSeconds: 0,
  passwordMinLength: 15,
  passwordCheck: 'off',
  deviceBinding: 'off',
  locationPolicy: 'address',
  cookieDomain: undefined,
  cookieSameSite: 'strict',
  returnOrigins: [],
  corsOrigins: new Set(),
  signInUrl: undefined,
  registration: 'closed',
  app: { name: 'Tessera', url: undefined, logoUrl: undefined, color: '#0550ae' },
}

/** A row of the table: the session, whose it is, and how it was last seen. */
export interface FakeRow {
  session: Session
  account: FoundSession['account']
  client: Client
}

export interface FakeServices extends Services {
  /** It stands still; a test moves it. */
  readonly clock: { now: number }
  readonly rows: Map<string, FakeRow>
  readonly accountsByEmail: Map<string, SignInAccount>
  /** Every call of a store, in order: `rotate`, `end`, … */
  readonly calls: string[]
  readonly ends: (Pick<SessionEnd, 'sid' | 'reason' | 'notice'> & Partial<SessionEnd>)[]
  readonly rehashes: (string | null)[]
  readonly announced: MailRef[]
  /** What failed before, for whatever address. A test fills it. */
  readonly failures: CountedFailures[]
  /** When the account of whatever address was created, and where it was seen. A test changes it. */
  readonly known: { knownSince: number; seenAt: number | null; seenHereAt: number | null; knowsPlaces: boolean }
  readonly failedTries: FailedTry[]
  readonly judged: JudgedSignIn[]
  /** Makes the account inactive, or gone, for whoever asks from now on. */
  readonly deactivate: (sid: string) => void
}

/** Services over an empty table. */
export function fakeServices(
  options: { readonly settings?: Partial<Settings>; readonly primitives?: PasswordPrimitives } = {},
): FakeServices {
  const rows = new Map<string, FakeRow>()
  const accountsByEmail = new Map<string, SignInAccount>()
  const [calls, rehashes, announced]: [string[], (string | null)[], MailRef[]] = [[], [], []]
  const ends: FakeServices['ends'] = []
  const failures: CountedFailures[] = []
  const known: FakeServices['known'] = { knownSince: NOW, seenAt: null, seenHereAt: null, knowsPlaces: false }
  const [failedTries, judged]: [FailedTry[], JudgedSignIn[]] = [[], []]
  /** Of which their owner got a mail. */
  const reused = new Set<string>()
  /** A session and a kind of mail about it. */
  const told = new Set<string>()
  const clock = { now: NOW }
  let ids = 0
  const newId = () => `id-${++ids}`

  function open({ client, now, sid, jti, expiresAt, binding }: NewSession, account: Account): void {
    const { address, asn, country, city, provider } = client
    const times = { issuedAt: now, createdAt: now, expiresAt, rotatedAt: null, endedAt: null }
    const place = { address, asn, country, city, provider }
    const owner = { userId: account.id, guid: account.guid }
    const session = { sid, ...owner, jti, previousJti: null, isEndedByAccount: false, binding, ...place, ...times }
    rows.set(sid, { session, account: { ...account, isConfirmed: true }, client })
  }

  return {
    clock,
    rows,
    accountsByEmail,
    calls,
    ends,
    rehashes,
    announced,
    failures,
    known,
    failedTries,
    judged,
    settings: { ...DEFAULT_SETTINGS, ...options.settings },
    tokens: createTokens(testKeys),
    passwords: createPasswords(options.primitives ?? noPrimitives),
    subjectOf: async (email) => `subject of ${email}`,
    isCommonPassword: async () => false,
    isLeakedPassword: missing,
    links: noLinks,
    accountChanges: missing,
    operators: missing,
    places: noPlaces,
    doubts: createDoubts(),
    rates: { byAddress: async () => true, byAccount: async () => true },
    findServiceKey: async () => null,
    checkHealth: () => Promise.reject(new Error('not faked')),
    fetchAsset: () => undefined,
    now: () => clock.now,
    newId,
    log() {},
    async announce(mail) {
      announced.push(mail)
    },
    announceAll: missing,
    deactivate(sid) {
      const row = rows.get(sid)
      if (row !== undefined) row.account = null
    },
    accounts: {
      async findByEmail(email) {
        calls.push('findByEmail')
        return accountsByEmail.get(email) ?? null
      },
      async findForSignIn({ email }) {
        calls.push('findForSignIn')
        const account = accountsByEmail.get(email) ?? null
        if (account === null)
          return { account, knownSince: 0, seenAt: null, seenHereAt: null, knowsPlaces: false, failures }
        return { account, ...known, failures }
      },
    },
    attempts: {
      async countFailure(failed) {
        calls.push('countFailure')
        failedTries.push(failed)
        return failed.topic === 'sign_in' && failures.some(({ count }) => count === 9) ? newId() : null
      },
      async hasToWait() {
        calls.push('hasToWait')
        return false
      },
      async beginForeignCheck() {
        calls.push('beginForeignCheck')
        return 'begun'
      },
      async endForeignCheck() {
        calls.push('endForeignCheck')
      },
    },
    sessions: {
      async openForGuid(guid, session) {
        calls.push('openForGuid')
        const account = { id: 7, guid, email: null, group: 'user', externalId: null, ownClaims: null }
        open(session, account)
        return { account, isNew: false, ended: [] }
      },
      async openForPassword(account, rehash, session, tried) {
        calls.push('openForPassword')
        rehashes.push(rehash)
        judged.push(tried)
        if (![...accountsByEmail.values()].includes(account)) return 'changed'
        open(session, account)
        return { mail: tried.isNewPlace ? newId() : null, ended: [] }
      },
      async rotate(rotation) {
        calls.push('rotate')
        const row = rows.get(rotation.sid)
        if (row === undefined) return null
        if (mayRotate(row, rotation)) rotateRow(row, rotation)
        return { session: row.session, account: row.account, inPlace: isInPlace(row, rotation) }
      },
      async bind({ sid }, binding) {
        calls.push('bind')
        const row = rows.get(sid)
        if (row === undefined || row.session.binding !== null) return false
        row.session = { ...row.session, binding }
        return true
      },
      async tell({ sid }, { kind }) {
        calls.push('tell')
        if (told.has(`${sid} ${kind}`)) return null
        told.add(`${sid} ${kind}`)
        return newId()
      },
      async find(sid) {
        calls.push('find')
        return rows.get(sid) ?? null
      },
      findGoverned: missing,
      list: missing,
      endOwn: missing,
      endOthers: missing,
      async end(end) {
        calls.push('end')
        const row = rows.get(end.sid)
        const isMeant = end.onlyWhileJti === null || row?.session.jti === end.onlyWhileJti
        if (row === undefined || row.session.endedAt !== null || !isMeant) return { ended: false, notificationId: null }
        row.session = { ...row.session, endedAt: end.now }
        ends.push(end)
        return { ended: true, notificationId: end.notice === null ? null : newId() }
      },
      async endReused({ sid, usedJti, now, reason, notice }) {
        calls.push('endReused')
        const row = rows.get(sid)
        if (row === undefined || row.session.jti === usedJti) return { ended: false, notificationId: null }
        const isLive = row.session.endedAt === null
        if (isLive) {
          row.session = { ...row.session, endedAt: now }
          ends.push({ sid, reason, notice })
        }
        const isTold = reused.has(sid)
        reused.add(sid)
        return { ended: isLive, notificationId: isTold || notice === null ? null : newId() }
      },
    },
  }
}

/** What the unit ring has no use for: the worker ring has it for real. */
function missing(): Promise<never> {
  return Promise.reject(new Error('not in this fake'))
}

const noLinks: LinkStore = { findUnused: missing, findOwner: missing, endSessions: missing, allowPlaces: missing }

const noPlaces: AllowedPlaceStore = { list: missing, remove: missing }

const noPrimitives: PasswordPrimitives = {
  argon2id: missing,
  scrypt: missing,
  argon2: missing,
  pbkdf2: missing,
  bcrypt: missing,
}

function isProven({ session: { binding } }: FakeRow, { proven }: Rotation): boolean {
  return binding !== null && binding.key === proven?.key
}

function isInPlace(row: FakeRow, rotation: Rotation): boolean {
  const [{ client }, { place }] = [row, rotation]
  const sameAsn = place.asn !== null && place.asn === client.asn
  const sameCountry = place.country !== null && place.country === client.country
  return place.sameAddress || sameAsn || sameCountry || isProven(row, rotation)
}

function mayRotate(row: FakeRow, rotation: Rotation): boolean {
  const { session, account } = row
  return (
    session.jti === rotation.presentedJti &&
    session.endedAt === null &&
    !session.isEndedByAccount &&
    session.expiresAt > rotation.now &&
    session.createdAt + rotation.sessionMaxSeconds > rotation.now &&
    account !== null &&
    (session.binding === null || isProven(row, rotation)) &&
    isInPlace(row, rotation)
  )
}

function rotateRow(row: FakeRow, { now, nextJti, refreshTtlSeconds, sessionMaxSeconds, client }: Rotation): void {
  const { session } = row
  row.session = {
    ...session,
    previousJti: session.jti,
    jti: nextJti,
    issuedAt: now,
    rotatedAt: now,
    expiresAt: Math.min(now + refreshTtlSeconds, session.createdAt + sessionMaxSeconds),
    address: client.address,
    asn: client.asn ?? session.asn,
    country: client.country ?? session.country,
  }
  row.client = client
}
