/**
 * Sessions in D1. Every method is one round trip, and every decision is made inside a statement: what was read in one
 * round trip may be wrong in the next.
 */

import type { FoundSession, Session, SessionStore } from '../domain/ports.ts'
import { clientValues } from './client-columns.ts'
import { prepareNotice } from './outbox.ts'
import { prepareSessionStatements } from './session-statements.ts'
import { prepareSignInStatements } from './sign-in-statements.ts'
import { run, runBatch, untilAnswered } from './statement.ts'

/** The session store over a D1 database. Build it once per isolate. */
export function createSessionStore(d1: D1Database, newId: () => string): SessionStore {
  const signIns = prepareSignInStatements(d1)
  const statements = prepareSessionStatements(d1)
  const storeNotice = prepareNotice(d1)

  return {
    async openForGuid(guid, { client, ...session }) {
      const [, opened] = await runBatch(d1, [
        signIns.createAccount.bind({ guid, now: session.now }),
        signIns.openForGuid.bind({ guid, ...session, ...clientValues(client) }),
      ])
      return signIns.openForGuid.rows(opened)[0] ?? null
    },

    async openForPassword({ id, passwordHash }, rehash, { client, ...session }) {
      const verified = { userId: id, passwordHash }
      const open = signIns.openForPassword.bind({ ...verified, ...session, ...clientValues(client) })
      const replace = signIns.replaceHash.bind({ ...verified, rehash, now: session.now })
      // The hash goes last: opening depends on the one that was verified.
      const [opened] = await runBatch(d1, rehash === null ? [open] : [open, replace])
      return signIns.openForPassword.rows(opened).length === 1
    },

    async rotate({ place, client, ...rotation }) {
      const { asn: placeAsn, country: placeCountry, keys } = place
      const values = {
        ...rotation,
        sameAddress: place.sameAddress ? 1 : 0,
        placeAsn,
        placeCountry,
        addressKey: keys.address,
        subnetKey: keys.subnet,
        asnKey: keys.asn,
        countryKey: keys.country,
      }
      const rotate = statements.rotate.bind({ ...values, ...clientValues(client) })
      const find = statements.findRotated.bind(values)
      const batch = place.sameAddress ? [rotate, find] : [rotate, statements.rotateOnVisit.bind(values), find]
      // It is the same write every time, and matches no row where an earlier one, whose answer was lost, did happen.
      const found = (await untilAnswered(() => runBatch(d1, batch))).at(-1)
      const row = statements.findRotated.rows(found)[0]
      return row === undefined ? null : { ...toFound(row), inPlace: row.inPlace === 1 }
    },

    async find(sid) {
      const row = statements.find.rows(await run(statements.find.bind({ sid })))[0]
      return row === undefined ? null : toFound(row)
    },

    async list(userId, now, sessionMaxSeconds) {
      return statements.list.rows(await run(statements.list.bind({ userId, now, sessionMaxSeconds })))
    },

    async end({ notice, ...end }) {
      const revoke = statements.revoke.bind(end)
      const batch = notice === null ? [revoke] : [revoke, storeNotice.bind(newId(), notice, end)]
      const [revoked, stored] = await runBatch(d1, batch)
      return {
        ended: statements.revoke.rows(revoked).length === 1,
        notificationId: notice === null ? null : (storeNotice.rows(stored)[0]?.id ?? null),
      }
    },

    async endOfUser(userId, which, now) {
      const revoke = statements.revokeOfUser.bind({ userId, ...which, reason: 'revoked', now })
      return statements.revokeOfUser.rows(await run(revoke)).length
    },
  }
}

interface AccountColumns {
  readonly userId: number | null
  readonly guid: string | null
  readonly email: string | null
  readonly group: string | null
  readonly isConfirmed: number
}

function toFound(row: Session & AccountColumns): FoundSession {
  const { userId, guid, email, group, isConfirmed, ...session } = row
  if (userId === null || guid === null || group === null) return { session, account: null }
  return { session, account: { id: userId, guid, email, group, isConfirmed: isConfirmed === 1 } }
}
