/** Sessions that ended at once: one row of `users` says it of all of them. */

import { sql } from 'drizzle-orm'

import { sessions, users } from '../schema.ts'

/** 1 for a session that `ended_before` of its account ends, where its row of `users` stands beside it. */
export const isEndedByAccount = sql<number>`coalesce(${sessions.createdAt} <= ${users.endedBefore} and ${sessions.sid} is not ${users.endedExcept}, 0)`
