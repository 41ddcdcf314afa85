/** The newest rows of the tables, of all accounts. Only the playground, which is never deployed, reads them so. */

import { desc, eq, sql } from 'drizzle-orm'

import { isEndedByAccount } from '../db/sessions/lifetime.ts'
import { select } from '../db/query.ts'
import { notifications, sessions, usedLinks, users } from '../db/schema.ts'
import { runBatch } from '../db/d1.ts'
import { aliased, prepare, type Statement } from '../db/statement.ts'

type Database = Env['DB']

export type AccountRecord = RowOf<typeof accountQuery>
export type SessionRecord = RowOf<typeof sessionQuery>
export type MailRecord = RowOf<typeof mailQuery>

type RowOf<Query extends (database: Database) => Statement<unknown>> =
  ReturnType<Query> extends Statement<infer Row> ? Row : never

export interface Records {
  /** Oldest first: the demo accounts. */
  readonly accounts: readonly AccountRecord[]
  /** Newest first, ended ones too. */
  readonly sessions: readonly SessionRecord[]
  /** Newest first. */
  readonly mails: readonly MailRecord[]
}

const MAX_ACCOUNTS = 20
const MAX_SESSIONS = 50
const MAX_MAILS = 20

/** The rows that the page shows, in one round trip. Throws `unavailable`, above all where the database is not migrated. */
export async function readRecords(database: Database): Promise<Records> {
  const [accounts, listed, mails] = [accountQuery(database), sessionQuery(database), mailQuery(database)]
  const results = await runBatch(database, [accounts.bind({}), listed.bind({}), mails.bind({})])
  return { accounts: accounts.rows(results[0]), sessions: listed.rows(results[1]), mails: mails.rows(results[2]) }
}

function accountQuery(database: Database) {
  const { id, guid, primaryEmail: email, isActive, confirmedAt } = users
  return prepare(
    database,
    select(aliased({ id, guid, email, isActive, confirmedAt })).from(users).orderBy(users.id).limit(MAX_ACCOUNTS),
  )
}

function sessionQuery(database: Database) {
  const { sid, jti, issuedAt, expiresAt, createdAt, endedAt, endReason, ip, country, city, userAgent } = sessions
  const columns = { sid, jti, issuedAt, expiresAt, createdAt, endedAt, endReason, ip, country, city, userAgent }
  return prepare(
    database,
    select({
      ...aliased({ ...columns, email: users.primaryEmail, guid: users.guid }),
      isEndedByAccount: isEndedByAccount.as('isEndedByAccount'),
    })
      .from(sessions)
      .leftJoin(users, eq(users.id, sessions.userId))
      .orderBy(desc(sessions.issuedAt))
      .limit(MAX_SESSIONS),
  )
}

function mailQuery(database: Database) {
  const {
    id,
    userId: account,
    kind,
    recipient,
    language,
    timeZone,
    facts,
    createdAt,
    attempts,
    sentAt,
    failedAt,
    lastError,
  } = notifications
  const mail = { id, account, kind, recipient, language, timeZone, facts }
  const columns = { ...mail, createdAt, attempts, sentAt, failedAt, lastError }
  const used = sql<string>`(select json_group_object(${usedLinks.purpose}, ${usedLinks.usedAt}) from ${usedLinks} where ${usedLinks.noticeId} = ${notifications.id})`
  return prepare(
    database,
    select({
      ...aliased(columns),
      /** JSON: when each of its links was used, by purpose. */
      usedLinks: used.as('usedLinks'),
    })
      .from(notifications)
      .orderBy(desc(notifications.createdAt))
      .limit(MAX_MAILS),
  )
}
