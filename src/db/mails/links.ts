/** What owners decide by the links of a mail. One round trip each. */

import { and, eq, isNull, notExists, sql } from 'drizzle-orm'

import { LINKS, type LinkState, type LinkStore, type MailLink } from '../../domain/mails/links.ts'
import { readNotice } from '../../domain/mails/notice.ts'
import type { EventFeed } from '../../domain/events/event-outbox.ts'
import { run } from '../d1.ts'
import { prepareEvent, runTelling } from '../events/event.ts'
import { deleteFrom, insertInto, select, update } from '../query.ts'
import { addressChanges, allowedPlaces, notifications, registrations, seenPlaces, usedLinks, users } from '../schema.ts'
import { endedNow } from '../sessions/of-account.ts'
import { aliased, parameter, prepare } from '../statement.ts'
import { isNamed } from './outbox.ts'

/** The link store over a D1 database. Build it once per isolate. */
export function createLinkStore(d1: D1Database, feed: EventFeed): LinkStore {
  const statements = prepareStatements(d1, feed)

  /** Runs what a link does, each statement only while the link is unused, and then uses it up. Returns their results; `null`: it was used. */
  async function useUp(link: MailLink, now: number, effects: readonly D1PreparedStatement[]) {
    const results = await runTelling(d1, feed, [...effects, statements.use.bind({ ...valuesOf(link), now })])
    return statements.use.rows(results.at(-1)).length === 1 ? results : null
  }

  return {
    async findUnused(link) {
      const row = statements.findUnused.rows(await run(statements.findUnused.bind(valuesOf(link))))[0]
      if (row === undefined) return null
      const { kind, facts, ...mail } = row
      return { ...mail, ...readNotice(kind, facts) }
    },

    async findOwner({ id, account }) {
      const [owner] = statements.findOwner.rows(await run(statements.findOwner.bind({ id, account })))
      return owner?.guid ?? null
    },

    async endSessions(link, now) {
      const values = { ...valuesOf(link), now }
      const results = await useUp(link, now, [
        statements.tellEnded.bind(values),
        statements.endSessions.bind(values),
        statements.removePlaces.bind(values),
        statements.forgetPlace.bind(values),
      ])
      return results === null ? null : (statements.endSessions.rows(results[1])[0] ?? { guid: null })
    },

    async allowPlaces(link, places, now, expiresAt) {
      const values = { ...valuesOf(link), now, expiresAt }
      const results = await useUp(
        link,
        now,
        places.map(({ key, country, city, provider }) =>
          statements.allowPlace.bind({ ...values, key, country, city, provider }),
        ),
      )
      return results !== null
    },
  }
}

/** The values that `isUsable` asks for. */
export function valuesOf({ id, account, purpose }: MailLink) {
  const { voidedBy, binds } = LINKS[purpose]
  return { id, account, purpose, voidedBy, binds }
}

/** The condition that a row of the outbox is the mail of a link which may still be used. */
export function isUsable() {
  const one = { one: sql`1` }
  const isUsed = select(one)
    .from(usedLinks)
    .where(
      and(
        eq(usedLinks.noticeId, notifications.id),
        sql`${usedLinks.purpose} in (${parameter('purpose')}, ${parameter('voidedBy')})`,
      ),
    )
  const states = {
    registration: select(one).from(registrations).where(eq(registrations.id, notifications.id)),
    credentials: select(one)
      .from(users)
      .where(
        and(
          eq(users.id, notifications.userId),
          eq(users.credentialsVersion, notifications.credentialsVersion),
          eq(users.isActive, 1),
        ),
      ),
    // An operator closed the account: what it was before is not for its former mailbox to say.
    'address change': select(one)
      .from(addressChanges)
      .innerJoin(users, and(eq(users.id, addressChanges.userId), eq(users.isActive, 1)))
      .where(eq(addressChanges.noticeId, notifications.id)),
  } satisfies Readonly<Record<LinkState, unknown>>
  // Whoever reads the mailbox that the account had before has no say in it any more; nor is anything kept of an owner who left.
  const ofRecipient = select(one)
    .from(users)
    .where(
      and(
        eq(users.id, notifications.userId),
        isNull(users.leftAt),
        sql`${users.primaryEmail} = ${notifications.recipient} collate nocase`,
      ),
    )
  const isBound = Object.entries(states).map(([state, rows]) => sql`when ${state} then exists ${rows}`)
  return and(
    isNamed(),
    notExists(isUsed),
    sql`case coalesce(${parameter('binds')}, '') ${sql.join(isBound, sql` `)} else exists ${ofRecipient} end`,
  )
}

/** What a mail tells of its client. */
function factOf(name: 'country' | 'asn') {
  return sql`json_extract(${notifications.facts}, ${`$.client.${name}`})`
}

function prepareStatements(d1: D1Database, { isFollowed }: EventFeed) {
  const isUnused = isUsable()
  const { id, userId: account, recipient, timeZone, kind, facts } = notifications
  /** The condition that a row is of the account which the mail of an unused link went to. */
  const isOwners = (userId: typeof users.id | typeof allowedPlaces.userId | typeof seenPlaces.userId) =>
    sql`${userId} in ${select({ userId: notifications.userId }).from(notifications).where(isUnused)}`

  const placeOfMail = sql`(select coalesce(${factOf('country')}, '-') || '/AS' || ${factOf('asn')} || ' ' from ${notifications} where ${isNamed()})`

  return {
    findUnused: prepare(
      d1,
      select({
        ...aliased({ id, account, recipient, timeZone, kind, facts }),
        guid: sql<string | null>`(select ${users.guid} from ${users} where ${users.id} = ${account})`.as('guid'),
      })
        .from(notifications)
        .where(isUnused),
    ),
    findOwner: prepare(
      d1,
      select(aliased({ guid: users.guid }))
        .from(users)
        .where(
          sql`${users.id} = coalesce(${parameter('account')}, (select ${notifications.userId} from ${notifications} where ${notifications.id} = ${parameter('id')}))`,
        ),
    ),
    // The primary key makes a link work once: of any number of presses one inserts the row.
    use: prepare(
      d1,
      insertInto(usedLinks)
        .select((query) =>
          query
            .select({
              noticeId: notifications.id,
              purpose: parameter('purpose').as('purpose'),
              usedAt: parameter('now').as('used_at'),
            })
            .from(notifications)
            .where(isUnused),
        )
        .onConflictDoNothing()
        .returning({ noticeId: usedLinks.noticeId }),
    ),
    tellEnded: prepareEvent(d1, isFollowed, 'sessions_ended', 'link', { where: isOwners(users.id), ...endedNow() }),
    endSessions: prepare(
      d1,
      update(users)
        .set(endedNow())
        .where(isOwners(users.id))
        .returning(aliased({ guid: users.guid })),
    ),
    removePlaces: prepare(d1, deleteFrom(allowedPlaces).where(isOwners(allowedPlaces.userId))),
    // As `seenPlaceKey` names the place of the mail, where its network is known: whoever was there is judged as a stranger again.
    forgetPlace: prepare(
      d1,
      deleteFrom(seenPlaces).where(
        and(
          isOwners(seenPlaces.userId),
          // With its clients, whose names go on behind a blank.
          sql`substr(${seenPlaces.place} || ' ', 1, length(${placeOfMail})) = ${placeOfMail}`,
        ),
      ),
    ),
    allowPlace: prepare(
      d1,
      insertInto(allowedPlaces)
        .select((query) =>
          query
            .select({
              id: sql<number>`null`.as('id'),
              userId: notifications.userId,
              place: parameter('key').as('place'),
              country: parameter('country').as('country'),
              city: parameter('city').as('city'),
              provider: parameter('provider').as('network'),
              createdAt: parameter('now').as('created_at'),
              expiresAt: parameter('expiresAt').as('expires_at'),
            })
            .from(notifications)
            .where(isUnused),
        )
        .onConflictDoUpdate({
          target: [allowedPlaces.userId, allowedPlaces.place],
          set: { expiresAt: parameter('expiresAt') },
        }),
    ),
  }
}
