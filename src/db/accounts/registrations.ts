/** Registrations in D1. One round trip each, and the same statements for every address. */

import { and, desc, eq, exists, notExists, type SQL, sql } from 'drizzle-orm'

import type { AccountChangeStore } from '../../domain/accounts/account-change.ts'
import type { EventFeed } from '../../domain/events/event-outbox.ts'
import { runBatch } from '../d1.ts'
import { prepareEvent, runTelling } from '../events/event.ts'
import { isUsable, valuesOf } from '../mails/links.ts'
import { ADDRESSEES, prepareNotice } from '../mails/notices.ts'
import { deleteFrom, insertInto, select } from '../query.ts'
import { notifications, registrations as table, users } from '../schema.ts'
import { parameter, prepare } from '../statement.ts'
import { isWithinLimit, prepareCount, requestValues } from './mail-requests.ts'
import { newUser } from './new-user.ts'

/** Registrations over a D1 database. Build it once per isolate. */
export function registrations(
  d1: D1Database,
  newId: () => string,
  feed: EventFeed,
): Pick<AccountChangeStore, 'register' | 'resend' | 'confirm'> {
  const count = prepareCount(d1)
  const statements = prepareStatements(d1, feed)

  return {
    async register(request, { email, passwordHash, language, timeZone }, { confirm, taken }) {
      const values = { ...requestValues(request), email, passwordHash, language, timeZone }
      const results = await runBatch(d1, [
        count.bind(values),
        statements.add.bind(values),
        statements.confirmMail.bind(request.id, confirm, values),
        statements.takenMail.bind(newId(), taken, values),
      ])
      return statements.confirmMail.rows(results[2])[0] ?? statements.takenMail.rows(results[3])[0] ?? null
    },

    async resend(request, email, confirm) {
      const values = { ...requestValues(request), email }
      const results = await runBatch(d1, [
        count.bind(values),
        statements.repeat.add.bind(values),
        statements.repeat.mail.bind(request.id, confirm, values),
      ])
      return statements.repeat.mail.rows(results[2])[0] ?? null
    },

    async confirm(link, guid, now) {
      const values = { ...valuesOf(link), guid, now }
      const [confirmed] = await runTelling(d1, feed, [
        statements.confirm.bind(values),
        statements.tell.bind(values),
        statements.forget.bind(values),
      ])
      return statements.confirm.rows(confirmed).length === 1
    },
  }
}

const one = { one: sql`1` }
const hasAccount = select(one)
  .from(users)
  .where(sql`${users.primaryEmail} = ${table.email} collate nocase`)

/** The statements that store a registration of `email` once more, under the id of its next mail, and that mail, where `condition` holds. */
export function prepareRepeat(d1: D1Database, condition: SQL | undefined) {
  // Whoever confirms makes the account of whoever registered: it is that one's place which the mail has to show, whoever asks for it. It is
  // known by the first mail of the registration: one beyond the limit had none, and does not come again.
  const hadMail = exists(select(one).from(notifications).where(eq(notifications.id, table.id)))
  const registrant = sql`(
    select json_extract(${notifications.facts}, '$.client') from ${table} as earlier, ${notifications}
    where earlier.email = ${parameter('email')} and earlier.id <> ${parameter('id')} and ${notifications.id} = earlier.id
    order by earlier.created_at desc, earlier.rowid desc limit 1)`
  const ofRegistrant = sql<never>`json_set(${parameter('facts')}, '$.client', json(${registrant}))`
  return {
    // The link names its registration by the id of its own mail.
    add: prepare(
      d1,
      insertInto(table).select((query) =>
        query
          .select({
            id: parameter('id').as('id'),
            email: table.email,
            passwordHash: table.passwordHash,
            language: table.language,
            timeZone: table.timeZone,
            createdAt: parameter('now').as('created_at'),
          })
          .from(table)
          .where(and(eq(table.email, parameter('email')), hadMail, condition))
          .orderBy(desc(table.createdAt), sql`${table}.rowid desc`)
          .limit(1),
      ),
    ),
    mail: prepareNotice(d1, and(condition, notExists(hasAccount)), ADDRESSEES.registration, ofRegistrant),
  }
}

function prepareStatements(d1: D1Database, { isFollowed }: EventFeed) {
  const isUnconfirmed = and(isWithinLimit(), notExists(hasAccount))

  return {
    add: prepare(
      d1,
      insertInto(table).values({
        id: parameter('id'),
        email: parameter('email'),
        passwordHash: parameter('passwordHash'),
        language: parameter('language'),
        timeZone: parameter('timeZone'),
        createdAt: parameter('now'),
      }),
    ),
    repeat: prepareRepeat(d1, isWithinLimit()),
    confirmMail: prepareNotice(d1, isUnconfirmed, ADDRESSEES.registration),
    takenMail: prepareNotice(d1, isWithinLimit(), ADDRESSEES.ownerOfEmail),
    confirm: prepare(
      d1,
      insertInto(users)
        .select((query) =>
          query
            .select(
              newUser({
                email: sql`${table.email}`,
                passwordHash: sql`${table.passwordHash}`,
                confirmedAt: parameter('now'),
                language: sql`${table.language}`,
                timeZone: sql`${table.timeZone}`,
              }),
            )
            .from(table)
            .where(
              and(
                eq(table.id, parameter('id')),
                exists(select(one).from(notifications).where(isUsable())),
                notExists(hasAccount),
              ),
            ),
        )
        .returning({ id: users.id }),
    ),
    // No other account ever had this guid.
    tell: prepareEvent(d1, isFollowed, 'registered', 'confirmed', { where: eq(users.guid, parameter('guid')) }),
    // Every other link of the address is void with its registration.
    forget: prepare(
      d1,
      deleteFrom(table).where(
        and(sql`${table.email} in (select email from ${table} where id = ${parameter('id')})`, exists(hasAccount)),
      ),
    ),
  }
}
