/**
 * What the ledger says of a change of an account: enough to see what an operator gave and took away, and nothing of a person, since a
 * row stays when the owner leaves.
 */

import type { UserChange, UserField, UserState } from './user.ts'

/** The facts of `user_changed`. */
export function describeFields(
  found: UserState,
  next: UserChange['next'],
  fields: readonly UserField[],
): Readonly<Record<string, unknown>> {
  const from = shown(found, fields)
  const removed = fields.filter((field) => isTakenAway(next, field))
  return {
    fields,
    ...(removed.length > 0 && { removed }),
    ...(Object.keys(from).length > 0 && { from, to: shown(next, fields) }),
    ...(fields.includes('claims') && { claims: claimNames(found, next) }),
  }
}

/** The values of what changed and says nothing of a person. */
function shown(state: UserState, fields: readonly UserField[]) {
  return {
    ...(fields.includes('group') && { group: state.group }),
    ...(fields.includes('confirmed') && { confirmed: state.confirmedAt !== null }),
  }
}

function isTakenAway(next: UserChange['next'], field: UserField): boolean {
  if (field === 'primary_email') return next.email === null
  if (field === 'password') return next.passwordHash === null
  return field === 'external_id' && next.externalId === null
}

/** Which names of claims came, got another value, and went. What they say may be of a person. */
function claimNames(found: UserState, next: UserState) {
  const [before, after] = [claimsIn(found), claimsIn(next)]
  return {
    added: [...after.keys()].filter((name) => !before.has(name)),
    changed: [...after.keys()].filter((name) => before.has(name) && before.get(name) !== after.get(name)),
    removed: [...before.keys()].filter((name) => !after.has(name)),
  }
}

/** The claims by name, the value of each as JSON. */
function claimsIn({ ownClaims }: UserState): ReadonlyMap<string, string> {
  const claims: unknown = ownClaims === null ? null : JSON.parse(ownClaims)
  const entries = typeof claims === 'object' && claims !== null ? Object.entries(claims) : []
  return new Map(entries.map(([name, value]) => [name, JSON.stringify(value)]))
}
