/**
 * The tables. Times are whole seconds since 1970. No token and no password is stored.
 *
 * No foreign keys, on purpose: see docs/decisions.md. Sessions are inserted by selecting from `users`, so that none is
 * without its account. Change a table here, then run `npm run migrations`.
 */

import { sql } from 'drizzle-orm'
import { index, integer, primaryKey, sqliteTable, text, uniqueIndex } from 'drizzle-orm/sqlite-core'

import type { Binding } from '../domain/sessions/session.ts'

export const users = sqliteTable(
  'users',
  {
    id: integer('id').primaryKey({ autoIncrement: true }),
    /** Lower case. */
    guid: text('guid').notNull().unique(),
    /** In NFC and any case, which the index ignores. Null for an account that signs in by its guid alone. */
    primaryEmail: text('primary_email'),
    /** A PHC string. */
    passwordHash: text('password_hash'),
    group: text('group').notNull().default('user'),
    isActive: integer('is_active').notNull().default(1),
    confirmedAt: integer('confirmed_at'),
    /** Nothing reads these two: failures are counted in `attempts`, for addresses without an account as well. See docs/decisions.md. */
    failedSignIns: integer('failed_sign_ins').notNull().default(0),
    lockedUntil: integer('locked_until'),
    /** Sessions that were opened until then have ended, whatever their own rows say, but for the one that `endedExcept` names. */
    endedBefore: integer('ended_before'),
    /** The `sid` of the one session that `endedBefore` does not end. */
    endedExcept: text('ended_except'),
    /** Counts changes of the password and of the address: a link that was made for an earlier state is void. */
    credentialsVersion: integer('credentials_version').notNull().default(0),
    /** In which language, and in the time of which zone (a name of the IANA database), its mails are written. Null: not known. */
    language: text('language'),
    timeZone: text('time_zone'),
    /** When its owner left: the row has no personal data any more, and keeps the guid from being given again. */
    leftAt: integer('left_at'),
    createdAt: integer('created_at').notNull(),
    updatedAt: integer('updated_at').notNull(),
    /** What another system calls the account: a claim of its access tokens. */
    externalId: text('external_id'),
    /** Claims of its access tokens that the operator chose, as a JSON object. */
    ownClaims: text('own_claims'),
  },
  () => [
    uniqueIndex('users_primary_email').on(sql`primary_email collate nocase`),
    // Partial, so that an account without one writes no entry.
    uniqueIndex('users_external_id')
      .on(sql`external_id`)
      .where(sql`external_id is not null`),
  ],
)

/** One row a sign-in: a family of refresh tokens, of which `jti` names the only live one. */
export const sessions = sqliteTable(
  'sessions',
  {
    sid: text('sid').primaryKey(),
    userId: integer('user_id').notNull(),
    jti: text('jti').notNull(),
    issuedAt: integer('issued_at').notNull(),
    previousJti: text('previous_jti'),
    rotatedAt: integer('rotated_at'),
    expiresAt: integer('expires_at').notNull(),
    createdAt: integer('created_at').notNull(),
    endedAt: integer('revoked_at'),
    endReason: text('revoked_reason'),
    ip: text('ip').notNull(),
    asn: integer('asn'),
    country: text('country'),
    city: text('city'),
    /** The name of the Internet service provider. */
    provider: text('network'),
    userAgent: text('user_agent'),
    /** The client of the last refresh, where that came from a place that the owner allowed. */
    visitIp: text('visit_ip'),
    visitCountry: text('visit_country'),
    visitCity: text('visit_city'),
    visitProvider: text('visit_network'),
    visitUserAgent: text('visit_user_agent'),
    /** The public key without whose proof the session is not refreshed, and how the proofs are made. Null: it is not bound. */
    boundKey: text('bound_key').$type<Binding['key']>(),
    boundBy: text('bound_by').$type<Binding['by']>(),
    /** The name of the proof that opened it, or rotated it last. */
    boundProof: text('bound_proof'),
  },
  (table) => [
    // Ended sessions are not in the index, so that no statement reads past them, however many an account has.
    index('sessions_user_id_created_at')
      .on(table.userId, table.createdAt)
      .where(sql`revoked_at is null`),
    // For the history of an account. A session gets its entry when it ends, so that neither a sign-in nor a refresh writes one.
    index('sessions_ended_user_id')
      .on(table.userId)
      .where(sql`revoked_at is not null`),
  ],
)

/** What is kept of a session whose row the purge has deleted, so that "why was I signed out?" has an answer for a while. */
export const pastSessions = sqliteTable(
  'past_sessions',
  {
    id: integer('id').primaryKey(),
    sid: text('sid').notNull(),
    userId: integer('user_id').notNull(),
    openedAt: integer('opened_at').notNull(),
    /** When it was refreshed last, or opened. */
    lastUsedAt: integer('last_used_at').notNull(),
    expiredAt: integer('expired_at').notNull(),
    /** Null: nobody ended it by itself. It expired, or ended with others of its account. */
    endedAt: integer('ended_at'),
    endReason: text('end_reason'),
    country: text('country'),
    city: text('city'),
    provider: text('network'),
    userAgent: text('user_agent'),
    /** When the purge wrote this. */
    keptAt: integer('kept_at').notNull(),
  },
  (table) => [index('past_sessions_user_id').on(table.userId)],
)

/** Places that an owner allowed, after a refresh from there was blocked. */
export const allowedPlaces = sqliteTable(
  'allowed_places',
  {
    id: integer('id').primaryKey({ autoIncrement: true }),
    userId: integer('user_id').notNull(),
    /** Which place, under the policy of that day: `address:203.0.113.7/32`, `asn:64500`, `country:DE`. */
    place: text('place').notNull(),
    country: text('country'),
    city: text('city'),
    /** The name of the Internet service provider. */
    provider: text('network'),
    createdAt: integer('created_at').notNull(),
    expiresAt: integer('expires_at').notNull(),
  },
  (table) => [uniqueIndex('allowed_places_user_id_place').on(table.userId, table.place)],
)

/** The outbox: one row a mail, written in the transaction that makes the mail due. */
export const notifications = sqliteTable(
  'notifications',
  {
    /** A UUID; also the idempotency key of the mail API. */
    id: text('id').primaryKey(),
    kind: text('kind').notNull(),
    /** 0 where there is no account yet. */
    userId: integer('user_id').notNull(),
    /** The account's address when the mail became due. */
    recipient: text('recipient').notNull(),
    /** The account's own, as of then. */
    language: text('language'),
    timeZone: text('time_zone'),
    /** The same: a link that changes the password or the address is void once either has changed. */
    credentialsVersion: integer('credentials_version').notNull().default(0),
    /** What the template needs, as JSON. */
    facts: text('facts').notNull(),
    dedupeKey: text('dedupe_key').notNull().unique(),
    createdAt: integer('created_at').notNull(),
    attempts: integer('attempts').notNull().default(0),
    /** Until then one consumer holds the row, and no other may send the mail. */
    leasedUntil: integer('leased_until').notNull().default(0),
    /** From then on the sweep re-queues the row, if it is neither sent nor given up. */
    dueAt: integer('due_at').notNull(),
    sentAt: integer('sent_at'),
    failedAt: integer('failed_at'),
    lastError: text('last_error'),
  },
  (table) => [
    index('notifications_unsent')
      .on(table.dueAt)
      .where(sql`sent_at is null and failed_at is null`),
    // For the list of parked mails. Only a mail that is parked, or tried again after that, writes its entry.
    index('notifications_parked')
      .on(table.createdAt)
      .where(sql`failed_at is not null`),
  ],
)

/** Links of mails that their owners followed. Each works once: a second use finds its row. */
export const usedLinks = sqliteTable(
  'used_links',
  {
    noticeId: text('notice_id').notNull(),
    /** As `LINKS` names it. */
    purpose: text('purpose').notNull(),
    usedAt: integer('used_at').notNull(),
  },
  (table) => [primaryKey({ columns: [table.noticeId, table.purpose] })],
)

/** What somebody signed up with who has not confirmed the address. It becomes an account by the link of its mail. */
export const registrations = sqliteTable(
  'registrations',
  {
    /** The id of that mail. */
    id: text('id').primaryKey(),
    /** As `normalizeEmail` made it. */
    email: text('email').notNull(),
    /** A PHC string. */
    passwordHash: text('password_hash').notNull(),
    language: text('language'),
    timeZone: text('time_zone'),
    createdAt: integer('created_at').notNull(),
  },
  (table) => [index('registrations_email').on(table.email)],
)

/** Addresses that accounts had before, as long as a mail to each offers to undo the change. */
export const addressChanges = sqliteTable(
  'address_changes',
  {
    /** The id of that mail. */
    noticeId: text('notice_id').primaryKey(),
    userId: integer('user_id').notNull(),
    formerEmail: text('former_email').notNull(),
    changedAt: integer('changed_at').notNull(),
  },
  (table) => [index('address_changes_user_id').on(table.userId)],
)

/** Places that accounts signed in from. */
export const seenPlaces = sqliteTable(
  'seen_places',
  {
    userId: integer('user_id').notNull(),
    /** As `seenPlaceKey` names it. */
    place: text('place').notNull(),
    /** Exact to a day. */
    seenAt: integer('seen_at').notNull(),
  },
  (table) => [primaryKey({ columns: [table.userId, table.place] })],
)

/**
 * What was tried for an e-mail address: sign-ins that failed, mails that were asked for. There is a row whether or not the address has
 * an account, so that neither the rows nor the time that they take tell it.
 */
export const attempts = sqliteTable(
  'attempts',
  {
    /** A keyed hash of the address. */
    subject: text('subject').notNull(),
    /** What was tried, and from which place where that is judged by itself. */
    topic: text('topic').notNull(),
    count: integer('count').notNull(),
    /** When the first of these was, and the last. */
    since: integer('since').notNull(),
    at: integer('at').notNull(),
    /** Until then every try is refused. */
    waitsUntil: integer('waits_until').notNull().default(0),
  },
  (table) => [primaryKey({ columns: [table.subject, table.topic] })],
)

/**
 * What happened to accounts and sessions, in order. Where a queue of events is configured, every event is a row before it is sent there;
 * where none is, only those are written that the history of an account needs.
 */
export const events = sqliteTable(
  'events',
  {
    id: integer('id').primaryKey({ autoIncrement: true }),
    userId: integer('user_id').notNull(),
    /** As `EVENT_TYPES` names it. */
    type: text('type').notNull(),
    at: integer('at').notNull(),
    sid: text('sid'),
    reason: text('reason'),
    /** What else is told of it, as JSON: no token, no secret, no address of a mailbox. */
    facts: text('facts').notNull(),
    /** The event ended the sessions that were opened until then, but for the one that `endedExcept` names. */
    endedBefore: integer('ended_before'),
    endedExcept: text('ended_except'),
    /** It is to be sent, and one sender holds it until then; 0: none does. Null: it was sent, or nobody followed. */
    dueAt: integer('due_at'),
    sentAt: integer('sent_at'),
  },
  (table) => [
    index('events_user_id').on(table.userId),
    // By the account, so that its sender reads no other's, however many wait while the queue is away.
    index('events_unsent')
      .on(table.userId)
      .where(sql`due_at is not null`),
  ],
)

/** The ledger: one row an act of an operator, written in the transaction of that act, and never changed. */
export const audit = sqliteTable(
  'audit',
  {
    id: integer('id').primaryKey({ autoIncrement: true }),
    at: integer('at').notNull(),
    /** The name of the service key. */
    actor: text('actor').notNull(),
    /** As `AUDIT_ACTIONS` names it. */
    action: text('action').notNull(),
    /** Null for an act that is about no account. */
    userId: integer('user_id'),
    /** What was done, as JSON: never a secret. */
    facts: text('facts').notNull(),
    /** From where it was asked for. */
    ip: text('ip').notNull(),
    asn: integer('asn'),
    country: text('country'),
    city: text('city'),
    userAgent: text('user_agent'),
  },
  (table) => [
    index('audit_user_id').on(table.userId),
    index('audit_actor').on(table.actor),
    index('audit_at').on(table.at),
  ],
)
