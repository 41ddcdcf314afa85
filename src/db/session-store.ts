/**
 * Sessions in D1. Every method is one round trip, and every decision is made inside a statement: what was read in one
 * round trip may be wrong in the next.
 */

import { TesseraError } from '../errors.ts'
import type { FoundSession, Session, SessionStore } from '../domain/ports.ts'
import { clientValues } from './client-columns.ts'
import { prepareNotice } from './outbox.ts'
import { prepareSessionStatements } from './session-statements.ts'
import { prepareSignInStatements } from './sign-in-statements.ts'
import { run, runBatch } from './statement.ts'

/**
 * How often a rotation is tried, and how long to wait in between. Trying again is safe: it is the same write, and it
 * matches no row when the first one, whose answer was lost, did happen.
 */
const ROTATION_ATTEMPTS = 3
const ROTATION_PAUSE_MILLISECONDS = 50

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
      const { asn: placeAsn, country: placeCountry, key: placeKey } = place
      const values = { ...rotation, sameAddress: place.sameAddress ? 1 : 0, placeAsn, placeCountry, placeKey }
      const rotate = statements.rotate.bind({ ...values, ...clientValues(client) })
      const find = statements.findRotated.bind(values)
      const batch = place.sameAddress ? [rotate, find] : [rotate, statements.rotateOnVisit.bind(values), find]
      const found = (await runUntilAnswered(d1, batch)).at(-1)
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

/** Runs an idempotent batch until D1 answers. Throws `unavailable` when it does not; the batch may have run even so. */
async function runUntilAnswered(d1: D1Database, batch: D1PreparedStatement[], attempt = 1): Promise<D1Result[]> {
  try {
    return await runBatch(d1, batch)
  } catch (error) {
    if (!(error instanceof TesseraError) || attempt === ROTATION_ATTEMPTS) throw error
    await new Promise((resolve) => setTimeout(resolve, ROTATION_PAUSE_MILLISECONDS * attempt))
    return runUntilAnswered(d1, batch, attempt + 1)
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
