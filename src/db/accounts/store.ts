/** Accounts in D1. */

import { eq, sql } from 'drizzle-orm'

import type { AccountStore, SignInAccount } from '../../domain/accounts/account.ts'
import { run, runBatch } from '../d1.ts'
import { select } from '../query.ts'
import { seenPlaces, users } from '../schema.ts'
import { aliased, parameter, prepare } from '../statement.ts'
import { prepareFailures } from './failures.ts'

/** The account store over a D1 database. Build it once per isolate. */
export function createAccountStore(d1: D1Database): AccountStore {
  const columns = {
    ...aliased({
      id: users.id,
      guid: users.guid,
      email: users.primaryEmail,
      group: users.group,
      externalId: users.externalId,
      ownClaims: users.ownClaims,
      passwordHash: users.passwordHash,
      isActive: users.isActive,
    }),
    isConfirmed: sql<number>`${users.confirmedAt} is not null`.as('isConfirmed'),
  }
  const ofAccount = eq(seenPlaces.userId, users.id)
  const seenAs = (name: 'place' | 'placeAndAddress') =>
    sql<
      number | null
    >`(select ${seenPlaces.seenAt} from ${seenPlaces} where ${ofAccount} and ${seenPlaces.place} = ${parameter(name)})`
  const knowsAny = sql<number>`exists (select 1 from ${seenPlaces} where ${ofAccount})`
  // The collation is that of the index: an address that was written by SQL in mixed case finds its account.
  const hasEmail = sql`${users.primaryEmail} = ${parameter('email')} collate nocase`

  const findByEmail = prepare(d1, select(columns).from(users).where(hasEmail))
  const findForSignIn = prepare(
    d1,
    select({
      ...columns,
      // An imported account was made long ago, elsewhere: no place of its owner could be known here. Once its password or its address has
      // changed, an address that was confirmed just now, say by taking a change back, makes no place a known one.
      knownSince:
        sql<number>`iif(${users.credentialsVersion} = 0, max(${users.createdAt}, coalesce(${users.confirmedAt}, 0)), ${users.createdAt})`.as(
          'knownSince',
        ),
      seenAt: seenAs('place').as('seenAt'),
      seenHereAt: seenAs('placeAndAddress').as('seenHereAt'),
      knowsPlaces: knowsAny.as('knowsPlaces'),
    })
      .from(users)
      .where(hasEmail),
  )
  const findFailures = prepareFailures(d1)

  return {
    async findByEmail(email) {
      const row = findByEmail.rows(await run(findByEmail.bind({ email })))[0]
      return row === undefined ? null : toAccount(row)
    },

    async findForSignIn(asked) {
      const [found, failed] = await runBatch(d1, [findForSignIn.bind(asked), findFailures.bind(asked)])
      const row = findForSignIn.rows(found)[0]
      const failures = findFailures.rows(failed)
      if (row === undefined) {
        return { account: null, knownSince: 0, seenAt: null, seenHereAt: null, knowsPlaces: false, failures }
      }
      const { knownSince, seenAt, seenHereAt, knowsPlaces, ...account } = row
      return { account: toAccount(account), knownSince, seenAt, seenHereAt, knowsPlaces: knowsPlaces === 1, failures }
    },
  }
}

type AccountRow = Omit<SignInAccount, 'isActive' | 'isConfirmed'> & {
  readonly isActive: number
  readonly isConfirmed: number
}

function toAccount(row: AccountRow): SignInAccount {
  return { ...row, isActive: row.isActive === 1, isConfirmed: row.isConfirmed === 1 }
}
