/**
 * Sessions in D1. Every method is one round trip, and every condition is checked by the statement that writes, since a row that was
 * read in one round trip may have changed by the next.
 */

import { type EventFeed, NOT_FOLLOWED } from '../../domain/events/event-outbox.ts'
import type { DueNotice } from '../../domain/mails/notice.ts'
import type { Binding, Ended, NewSession, SessionStore } from '../../domain/sessions/session.ts'
import { clientValues, placeValues } from './client-columns.ts'
import { toFound } from './found.ts'
import { prepareSessionNotices } from './notices.ts'
import { prepareOwnedSessionStatements, readLists } from './of-account.ts'
import { prepareSessionStatements } from './one.ts'
import { prepareJudgedSignIn } from './password.ts'
import { prepareSignInStatements } from './sign-in.ts'
import { isTaken, run, runBatch, untilAnswered } from '../d1.ts'
import { runTelling } from '../events/event.ts'
import type { SessionEvents } from '../events/session-events.ts'
import type { Value } from '../statement.ts'

/** Where events are noted, and the events of single sessions, which are stored only where a queue follows. */
interface ToldEvents {
  readonly feed: EventFeed
  readonly told: SessionEvents | null
}

const UNFOLLOWED: ToldEvents = { feed: NOT_FOLLOWED, told: null }

/** The session store over a D1 database. Build it once per isolate. */
export function createSessionStore(d1: D1Database, newId: () => string, events = UNFOLLOWED): SessionStore {
  const { feed, told } = events
  const signIns = prepareSignInStatements(d1)
  const statements = prepareSessionStatements(d1)
  const owned = prepareOwnedSessionStatements(d1, feed.isFollowed)
  const notices = prepareSessionNotices(d1)
  const judgedSignIn = prepareJudgedSignIn(d1, newId)

  /** An event, where events are followed. */
  function tell(
    event: keyof SessionEvents['statements'],
    values: Readonly<Record<string, Value>>,
  ): D1PreparedStatement[] {
    return told === null ? [] : [told.statements[event].bind(values)]
  }

  /** The statements that end sessions at a sign-in: those whose cookies the browser had, and the oldest beyond `sessionsMax`. */
  function endsOf({
    sid,
    now,
    replaced,
    sessionsMax,
  }: Pick<NewSession, 'sid' | 'now' | 'replaced' | 'sessionsMax'>): D1PreparedStatement[] {
    const values = { openedSid: sid, now, sessionsMax }
    return [
      ...replaced.flatMap((session) => [
        ...tell('replaced', { ...values, ...session }),
        signIns.endReplaced.bind({ ...values, ...session }),
      ]),
      ...tell('crowdedOut', values),
      signIns.endOldest.bind(values),
    ]
  }

  /** What these statements ended, by their results. `guid`: the account that signed in. */
  function endedBy(results: readonly D1Result[], guid: string, { replaced }: Pick<NewSession, 'replaced'>) {
    // The event about an end stands before it.
    const ends = told === null ? results : results.filter((_result, i) => i % 2 === 1)
    return [
      ...replaced.flatMap((session, i) =>
        signIns.endReplaced.rows(ends[i]).map(({ sid }) => ({ sid, guid: session.guid, reason: 'replaced' as const })),
      ),
      ...signIns.endOldest
        .rows(ends[replaced.length])
        .map(({ sid }) => ({ sid, guid, reason: 'crowded_out' as const })),
    ]
  }

  /** Ends a session by one statement, and stores the mail about it, where there is one, in the same transaction. */
  async function endWith(
    statement: typeof statements.end,
    mails: typeof notices.ofEnd,
    notice: DueNotice | null,
    known: Readonly<Record<string, Value>> & { readonly now: number },
    around: Readonly<Record<'before' | 'behind', readonly (keyof SessionEvents['statements'])[]>>,
  ): Promise<Ended> {
    const noticeId = newId()
    const values = {
      ...known,
      noticeId,
      client: notice === null || told === null ? null : told.factsOf(notice.facts.client),
    }
    const before = around.before.flatMap((event) => tell(event, values))
    const store = notice === null ? [] : [mails.bind(noticeId, notice, values)]
    const results = await runTelling(d1, feed, [
      ...before,
      statement.bind(values),
      ...store,
      ...around.behind.flatMap((event) => tell(event, values)),
    ])
    const [ended, stored] = results.slice(before.length)
    const notificationId = notice === null ? null : (mails.rows(stored)[0]?.id ?? null)
    return { ended: statement.rows(ended).length === 1, notificationId }
  }

  return {
    async openForGuid(guid, { client, binding, ...session }, by) {
      const { replaced: _replaced, ...values } = session
      const batch = [
        signIns.createAccount.bind({ guid, now: session.now }),
        signIns.openForGuid.bind({ guid, ...values, ...clientValues(client), ...bindingValues(binding) }),
        ...endsOf(session),
        ...tell('registered', { guid, now: session.now }),
        ...tell('signedIn', { openedSid: session.sid, now: session.now, by }),
      ]
      const results = await runTelling(d1, feed, batch).catch((error: unknown) => {
        if (isTaken(error, 'sessions.sid')) return null
        throw error
      })
      if (results === null) return 'taken'
      const [created, opened, ...ends] = results
      const account = signIns.openForGuid.rows(opened)[0]
      if (account === undefined) return 'inactive'
      const isNew = signIns.createAccount.rows(created).length === 1
      return { account, isNew, ended: endedBy(ends, account.guid, session) }
    },

    async openForPassword({ id, guid, passwordHash }, rehash, { client, binding, ...session }, judged) {
      const { replaced: _replaced, ...values } = session
      const verified = { userId: id, passwordHash }
      const { subject, topic } = judged
      const open = signIns.openForPassword.bind({
        ...verified,
        ...values,
        subject,
        topic,
        ...clientValues(client),
        ...bindingValues(binding),
      })
      const replace = signIns.replaceHash.bind({ ...verified, rehash, now: session.now, openedSid: session.sid })
      // The hash is replaced last: the statement that opens the session compares it with the one that was verified.
      const judging = judgedSignIn.bind(judged, { ...values, userId: id })
      const results = await runTelling(d1, feed, [
        open,
        ...judging,
        ...endsOf(session),
        ...(rehash === null ? [] : [replace]),
        ...tell('signedIn', { openedSid: session.sid, now: session.now, by: 'password' }),
      ])
      const [opened, waiting, mailed] = results
      if (signIns.openForPassword.rows(opened).length === 1) {
        return { mail: judgedSignIn.mailOf(mailed), ended: endedBy(results.slice(1 + judging.length), guid, session) }
      }
      return judgedSignIn.waits(waiting) ? 'waiting' : 'changed'
    },

    async rotate({ place, client, proven, ...rotation }) {
      const sameAddress = place.sameAddress ? 1 : 0
      const values = {
        ...rotation,
        ...placeValues(place),
        sameAddress,
        placeKeys: JSON.stringify(place.keys),
        provenKey: proven?.key ?? null,
        proofId: proven?.id ?? null,
      }
      const seen = clientValues(client)
      const rotate = statements.rotate.bind({ ...values, ...seen })
      const find = statements.findRotated.bind(values)
      const batch = place.sameAddress
        ? [rotate, find]
        : [rotate, statements.rotateOnVisit.bind({ ...values, ...seen }), find]
      // Every try writes the same jti, and matches no row where an earlier try was committed and only its answer got lost.
      const found = (await untilAnswered(() => runBatch(d1, batch))).at(-1)
      const row = statements.findRotated.rows(found)[0]
      return row === undefined ? null : { ...toFound(row), inPlace: row.inPlace === 1 }
    },

    async bind(named, binding, now, { sessionMaxSeconds }) {
      const bound = statements.bind.bind({ ...named, ...bindingValues(binding), now, sessionMaxSeconds })
      return statements.bind.rows(await untilAnswered(() => run(bound))).length === 1
    },

    async tell(named, notice, now) {
      const stored = await run(notices.ofLive.bind(newId(), notice, { ...named, now }))
      return notices.ofLive.rows(stored)[0]?.id ?? null
    },

    async find(sid) {
      const row = statements.find.rows(await run(statements.find.bind({ sid })))[0]
      return row === undefined ? null : toFound(row)
    },

    async findGoverned(sid, keys, now) {
      const bound = statements.findGoverned.bind({ sid, now, placeKeys: JSON.stringify(keys) })
      const row = statements.findGoverned.rows(await run(bound))[0]
      return row === undefined ? null : { ...toFound(row), isAllowed: row.isAllowed === 1 }
    },

    async list(userId, now, { sessionMaxSeconds, sessionsMax }) {
      const values = { userId, now, sessionMaxSeconds, limit: sessionsMax }
      const [newest, kept] = await runBatch(d1, [owned.listNewest.bind(values), owned.findKept.bind(values)])
      return readLists([...owned.listNewest.rows(newest), ...owned.findKept.rows(kept)], now)
    },

    end: ({ notice, ...end }) =>
      endWith(statements.end, notices.ofEnd, notice, end, {
        before: end.reason === 'location' ? ['blocked', 'ended'] : ['ended'],
        behind: [],
      }),

    endReused: ({ notice, ...reused }) =>
      endWith(statements.endReused, notices.ofReused, notice, reused, {
        before: ['reused', 'endedByReuse'],
        behind: ['reusedLate'],
      }),

    async endOwn(session, now, { sessionMaxSeconds }) {
      const values = { ...session, now, sessionMaxSeconds }
      const results = await runTelling(d1, feed, [...tell('endedByOwner', values), owned.endOwn.bind(values)])
      return owned.endOwn.rows(results.at(-1)).length === 1
    },

    async endOthers(kept, now, { sessionMaxSeconds }) {
      const values = { ...kept, now, sessionMaxSeconds }
      const [, ended] = await runTelling(d1, feed, [owned.tellOthers.bind(values), owned.endOthers.bind(values)])
      return owned.endOthers.rows(ended).length === 1
    },
  }
}

function bindingValues(binding: Binding | null) {
  return { boundKey: binding?.key ?? null, boundBy: binding?.by ?? null, boundProof: binding?.proofId ?? null }
}
