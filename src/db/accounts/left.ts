/** Accounts whose owners left, in SQL. */

import { and, eq, exists, isNotNull, sql } from 'drizzle-orm'
import type { SQLiteColumn } from 'drizzle-orm/sqlite-core'

import { select } from '../query.ts'
import { users } from '../schema.ts'

/** The condition that the account of a row is one whose owner left: of those nothing is kept but the guid. */
export function hasLeft(userId: SQLiteColumn) {
  return exists(
    select({ one: sql`1` })
      .from(users)
      .where(and(eq(users.id, userId), isNotNull(users.leftAt))),
  )
}
