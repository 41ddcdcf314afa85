/**
 * The SQL of the round trips that the floors make, as the stores themselves send it: they are run once against a database that
 * only takes down what it is given. So the floors run the very same statements, and stay in step with the stores.
 */

import { createAccountStore } from '../src/db/accounts/store.ts'
import { createSessionStore } from '../src/db/sessions/store.ts'
import type { SignInAccount } from '../src/domain/accounts/account.ts'
import type { Client } from '../src/domain/places/place.ts'
import type { JudgedSignIn, NewSession, SessionStore } from '../src/domain/sessions/session.ts'

export type RecordedValue = string | number | null | { readonly name: string }

export interface RecordedStatement {
  readonly text: string
  /** What is bound, in order: a value of every request of the benchmark, or the name of one that changes. */
  readonly values: readonly RecordedValue[]
}

export interface Recorded {
  /** The rotation, then the row. */
  readonly rotate: readonly RecordedStatement[]
  /** The account where there is none yet, then its session, then the end of what is too many. */
  readonly open: readonly RecordedStatement[]
  /** The account of an address, then what failed for it. */
  readonly account: readonly RecordedStatement[]
  /** The session of a password that was verified, what is told and noted of it, then the end of what is too many. */
  readonly signIn: readonly RecordedStatement[]
}

/** The values that stand for changing ones while statements are recorded: numbers that occur nowhere else, and texts that start with a colon. */
const NUMBERS: ReadonlyMap<unknown, string> = new Map([
  [901, 'now'],
  [902, 'expiresAt'],
  [903, 'refreshTtlSeconds'],
  [904, 'sessionMaxSeconds'],
  [905, 'userId'],
])

/** The client of the benchmark, of which only the address is known. */
const client: Client = {
  address: ':address',
  asn: null,
  country: null,
  city: null,
  provider: null,
  userAgent: ':userAgent',
}

const session: NewSession = {
  sid: ':sid',
  jti: ':jti',
  now: 901,
  expiresAt: 902,
  client,
  binding: null,
  replaced: [],
  sessionsMax: 100,
}

const account: SignInAccount = {
  id: 905,
  guid: ':guid',
  email: ':email',
  group: ':group',
  externalId: null,
  ownClaims: null,
  passwordHash: ':passwordHash',
  isActive: true,
  isConfirmed: true,
}

/** From a place that is known, without a failure before it: the usual sign-in. */
const judged: JudgedSignIn = {
  subject: ':subject',
  topic: ':topic',
  failures: 0,
  waits: false,
  notes: [],
  isNewPlace: false,
  notice: {
    kind: 'new_sign_in',
    userId: 905,
    dedupeKey: ':dedupeKey',
    facts: { at: 901, client, origin: 'https://auth.example.com', isNewPlace: false, failures: 0 },
  },
}

export async function recordStatements(): Promise<Recorded> {
  return {
    rotate: await recordSessions((store) =>
      store.rotate({
        sid: ':sid',
        userId: 905,
        guid: ':guid',
        presentedJti: ':presentedJti',
        nextJti: ':nextJti',
        now: 901,
        refreshTtlSeconds: 903,
        sessionMaxSeconds: 904,
        // The client is at the address of its token.
        place: {
          sameAddress: true,
          asn: null,
          country: null,
          keys: [],
        },
        proven: null,
        client,
      }),
    ),
    open: await recordSessions((store) => store.openForGuid(':guid', session, 'guid')),
    account: await record((d1) =>
      createAccountStore(d1).findForSignIn({
        email: ':email',
        subject: ':subject',
        place: ':place',
        placeAndAddress: ':placeAndAddress',
      }),
    ),
    signIn: await recordSessions((store) => store.openForPassword(account, null, session, judged)),
  }
}

function recordSessions(call: (store: SessionStore) => Promise<unknown>): Promise<readonly RecordedStatement[]> {
  return record((d1) => call(createSessionStore(d1, () => ':id')))
}

async function record(call: (d1: D1Database) => Promise<unknown>): Promise<readonly RecordedStatement[]> {
  const trips: (readonly RecordedStatement[])[] = []
  const answer = { results: [] }
  const database = {
    prepare: (text: string) => ({
      bind(...values: unknown[]) {
        const statement = { text, values: values.map(named) }
        return {
          ...statement,
          async run() {
            trips.push([statement])
            return answer
          },
        }
      },
    }),
    async batch(statements: readonly RecordedStatement[]) {
      trips.push(statements.map(({ text, values }) => ({ text, values })))
      return statements.map(() => answer)
    },
  }
  await call(database as unknown as D1Database)
  const [trip] = trips
  if (trip === undefined || trips.length !== 1) throw new Error('a call of a store is one round trip')
  return trip
}

function named(value: unknown): RecordedValue {
  const name = typeof value === 'string' && value.startsWith(':') ? value.slice(1) : NUMBERS.get(value)
  return name === undefined ? (value as RecordedValue) : { name }
}
