/** Accounts in D1. */

import { sql } from 'drizzle-orm'

import type { AccountStore } from '../../domain/accounts/account.ts'
import { run } from '../d1.ts'
import { select } from '../query.ts'
import { users } from '../schema.ts'
import { aliased, parameter, prepare } from '../statement.ts'

/** The account store over a D1 database. Build it once per isolate. */
export function createAccountStore(d1: D1Database): AccountStore {
  const findByEmail = prepare(
    d1,
    select({
      ...aliased({
        id: users.id,
        guid: users.guid,
        email: users.primaryEmail,
        group: users.group,
        passwordHash: users.passwordHash,
        isActive: users.isActive,
      }),
      isConfirmed: sql<number>`${users.confirmedAt} is not null`.as('isConfirmed'),
    })
      .from(users)
      // The collation is that of the index: an address that was written by SQL in mixed case finds its account.
      .where(sql`${users.primaryEmail} = ${parameter('email')} collate nocase`),
  )

  return {
    async findByEmail(email) {
      const row = findByEmail.rows(await run(findByEmail.bind({ email })))[0]
      return row === undefined ? null : { ...row, isActive: row.isActive === 1, isConfirmed: row.isConfirmed === 1 }
    },
  }
}
