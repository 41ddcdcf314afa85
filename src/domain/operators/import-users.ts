/**
 * Accounts that an operator brings along from another system, many at once. A line makes an account, or says that it is there already, or
 * is refused; what was brought may be sent again, and makes nothing twice.
 */

import { type FieldErrors, TesseraError } from '../../errors.ts'
import type { Services } from '../services.ts'
import { madeFacts, type UserOrder } from './create-user.ts'
import type { ActingOperator, IdentifiedUser, ImportedUser, UniqueField, WantedIds } from './user.ts'

/** What a line asks for. `createdAt`: when the account was made in the other system; `null`: now. */
export interface ImportOrder extends Omit<UserOrder, 'password'> {
  readonly createdAt: number | null
}

/** A line that could be read, or what is wrong with it. */
export type ImportLine = { readonly order: ImportOrder } | { readonly errors: FieldErrors }

/** What became of a line. `exists`: an account has all the ids that the line gives. */
export type ImportResult =
  | { readonly status: 'created' | 'exists'; readonly guid: string }
  | { readonly status: 'refused'; readonly errors: FieldErrors }

/** How often the ids of a batch are looked for, where others are given to accounts at the same moment. */
const TRIES = 3

/** Clocks differ; a time in milliseconds is further off than that. */
const CLOCKS_APART_SECONDS = 300

/** Makes the accounts that are not there, all in one transaction, and says what became of each line. Throws `unavailable`: none was made. */
export async function importUsers(
  services: Pick<Services, 'operators' | 'newId' | 'now' | 'log'>,
  lines: readonly ImportLine[],
  by: ActingOperator,
): Promise<readonly ImportResult[]> {
  const now = services.now()
  const { users } = await services.operators()
  const orders = lines.map((line) => readLine(line, now, services.newId))
  const wanted = orders.flatMap((line) => ('ids' in line ? [line.ids] : []))
  if (wanted.length === 0) return orders.flatMap((line) => ('ids' in line ? [] : [line]))
  for (let tries = 0; tries < TRIES; tries += 1) {
    // oxlint-disable-next-line no-await-in-loop -- what is there is looked for anew, since it has changed
    const plan = decide(orders, await users.identify(wanted))
    const made = plan.made.map((user) => ({
      user,
      act: { action: 'user_imported', facts: madeFacts(user), by, now } as const,
    }))
    if (made.length === 0) return plan.results
    // oxlint-disable-next-line no-await-in-loop -- the same
    if (await users.createAll(made)) {
      services.log({ event: 'users_imported', count: made.length })
      return plan.results
    }
  }
  throw new TesseraError('unavailable', { cause: 'changed meanwhile', retryAfterSeconds: 1 })
}

/** The ids that a line gives, and the account that it would make. */
interface Candidate {
  readonly ids: WantedIds
  readonly user: ImportedUser
}

type Refused = Extract<ImportResult, { status: 'refused' }>

function readLine(line: ImportLine, now: number, newId: () => string): Candidate | Refused {
  if ('errors' in line) return { status: 'refused', errors: line.errors }
  const { guid, isConfirmed, createdAt, ...order } = line.order
  if (createdAt !== null && createdAt > now + CLOCKS_APART_SECONDS) {
    return { status: 'refused', errors: { created_at: ['must not be in the future, in seconds since 1970'] } }
  }
  const { email, externalId } = order
  const confirmedAt = isConfirmed && email !== null ? now : null
  return {
    ids: { guid, email, externalId },
    user: { ...order, guid: guid ?? newId(), confirmedAt, createdAt: createdAt ?? now },
  }
}

/** What becomes of each line, in their order: one is judged as if those before it had been imported by themselves. */
function decide(lines: readonly (Candidate | Refused)[], known: readonly IdentifiedUser[]) {
  const index = createIndex(known)
  const made: ImportedUser[] = []
  const results = lines.map((line): ImportResult => {
    if (!('ids' in line)) return line
    const { ids, user } = line
    const { same, taken } = index.find(ids)
    if (same !== null) return { status: 'exists', guid: same.guid }
    if (taken.length > 0) {
      return { status: 'refused', errors: Object.fromEntries(taken.map((field) => [field, ['is taken']])) }
    }
    index.add({ guid: user.guid, email: user.email, externalId: user.externalId, hasLeft: false })
    made.push(user)
    return { status: 'created', guid: user.guid }
  })
  return { made, results }
}

/** Accounts by each of their ids. */
function createIndex(known: readonly IdentifiedUser[]) {
  const fields = [
    ['primary_email', 'email', new Map<string, IdentifiedUser>()],
    ['guid', 'guid', new Map<string, IdentifiedUser>()],
    ['external_id', 'externalId', new Map<string, IdentifiedUser>()],
  ] as const satisfies readonly (readonly [UniqueField, keyof WantedIds, Map<string, IdentifiedUser>])[]

  function add(user: IdentifiedUser): void {
    for (const [, key, users] of fields) {
      const id = user[key]
      if (id !== null) users.set(id, user)
    }
  }

  for (const user of known) add(user)
  return {
    add,
    /** The account that has every id which is given, or which of them are another one's. */
    find(ids: WantedIds): { readonly same: IdentifiedUser | null; readonly taken: readonly UniqueField[] } {
      const given = fields.flatMap(([field, key, users]) => {
        const id = ids[key]
        return id === null ? [] : [{ field, user: users.get(id) ?? null }]
      })
      const [first] = given
      const isSame = given.every(({ user }) => user === first?.user)
      if (isSame && first !== undefined && first.user !== null && !first.user.hasLeft)
        return { same: first.user, taken: [] }
      return { same: null, taken: given.filter(({ user }) => user !== null).map(({ field }) => field) }
    },
  }
}
