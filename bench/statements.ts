/**
 * The SQL of the two hottest batches, as the session store itself sends it: it is run once against a database that only
 * takes down what it is given. So the floors run the very same statements, and stay in step with the store.
 */

import { createSessionStore } from '../src/db/sessions/store.ts'
import type { Client } from '../src/domain/places/place.ts'

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
}

/** Numbers that stand for themselves nowhere else; texts start with a colon. */
const NUMBERS: ReadonlyMap<unknown, string> = new Map([
  [901, 'now'],
  [902, 'expiresAt'],
  [903, 'refreshTtlSeconds'],
  [904, 'sessionMaxSeconds'],
  [905, 'userId'],
])

/** A client as the benchmark's: nothing is known of where it is. */
const client: Client = {
  address: ':address',
  asn: null,
  country: null,
  city: null,
  provider: null,
  userAgent: ':userAgent',
}

export async function recordStatements(): Promise<Recorded> {
  return {
    rotate: await record((store) =>
      store.rotate({
        sid: ':sid',
        userId: 905,
        guid: ':guid',
        presentedJti: ':presentedJti',
        nextJti: ':nextJti',
        now: 901,
        refreshTtlSeconds: 903,
        sessionMaxSeconds: 904,
        // As of a client that stayed where it was.
        place: {
          sameAddress: true,
          asn: null,
          country: null,
          keys: [],
        },
        client,
      }),
    ),
    open: await record((store) =>
      store.openForGuid(':guid', {
        sid: ':sid',
        jti: ':jti',
        now: 901,
        expiresAt: 902,
        client,
        replaced: [],
        sessionsMax: 100,
      }),
    ),
  }
}

async function record(
  call: (store: ReturnType<typeof createSessionStore>) => Promise<unknown>,
): Promise<readonly RecordedStatement[]> {
  let batches: readonly (readonly RecordedStatement[])[] = []
  const database = {
    prepare: (text: string) => ({
      bind: (...values: unknown[]) => ({ text, values: values.map(named) }),
    }),
    async batch(statements: readonly RecordedStatement[]) {
      batches = [...batches, statements]
      return statements.map(() => ({ results: [] }))
    },
  }
  await call(createSessionStore(database as unknown as D1Database, () => ':id'))
  const [batch] = batches
  if (batch === undefined || batches.length !== 1) throw new Error('the floors know one batch')
  return batch
}

function named(value: unknown): RecordedValue {
  const name = typeof value === 'string' && value.startsWith(':') ? value.slice(1) : NUMBERS.get(value)
  return name === undefined ? (value as RecordedValue) : { name }
}
