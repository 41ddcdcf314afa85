/** Checks an account on this machine, by the functions that the Worker has for it: what `--dry-run` can say without asking. */

import { isEmail, isGroup, normalizeEmail } from '../../src/domain/accounts/account.ts'
import { isTimeZone } from '../../src/domain/language.ts'
import type { ImportedUser } from './mapping.ts'

const GUID = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/i

/** What is wrong with each field; `null` for an account that can be taken as far as can be said here. */
export function faultsOf(user: ImportedUser): Readonly<Record<string, readonly string[]>> | null {
  const { primary_email: email, guid, external_id: id, group, time_zone: zone } = user
  const faults: Record<string, string[]> = {}
  if (email === undefined && guid === undefined && id === undefined) {
    faults['primary_email'] = ['Or guid, or external_id: one is needed']
  }
  if (typeof email === 'string' && !isEmail(normalizeEmail(email))) faults['primary_email'] = ['Invalid email address']
  if (typeof guid === 'string' && !GUID.test(guid)) faults['guid'] = ['Invalid GUID']
  if (typeof group === 'string' && !isGroup(group)) faults['group'] = ['Invalid input']
  if (typeof zone === 'string' && !isTimeZone(zone)) faults['time_zone'] = ['Invalid input']
  return Object.keys(faults).length > 0 ? faults : null
}
