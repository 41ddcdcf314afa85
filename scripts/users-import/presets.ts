/** What the exports of other systems have, and what of an account each column is. docs/import.md has a guide for each. */

import { nearestWord } from '../nearest-word.ts'
import { UsageProblem } from '../users/problem.ts'
import { type FirebaseParameters, firebaseHash } from './firebase.ts'
import type { Row } from './input.ts'
import { lookUp, type Pair, TARGETS } from './mapping.ts'
import { isEmpty } from './values.ts'

export interface Preset {
  readonly pairs: readonly Pair[]
  /** What has to be known of the whole system before a row can be read. */
  readonly prepare?: (row: Row, project: Project) => Row
  /** Why a row cannot be taken by itself; `null` where it can. */
  readonly refuse?: (row: Row) => string | null
  /** The columns that this reads. */
  readonly reads?: readonly string[]
  /** Whether a field that is called `claims.NAME` is that claim. */
  readonly namesClaims?: true
}

export interface Project {
  readonly firebase: FirebaseParameters | null
}

/** The column of a Firebase export that is a hash only with the parameters of the project. */
export const HASH_OF_FIREBASE = 'passwordHash'

function pairs(of: Readonly<Record<string, string>>): readonly Pair[] {
  return Object.entries(of).map(([theirs, ours]) => ({ theirs, ours }))
}

export const PRESETS = {
  simplejwt: {
    pairs: pairs({
      id: 'external_id',
      email: 'primary_email',
      password: 'password_hash',
      is_active: 'active',
      date_joined: 'created_at',
      $group: 'group',
    }),
    prepare: ofDjango,
    reads: ['is_superuser', 'is_staff'],
  },
  'better-auth': {
    pairs: pairs({
      id: 'external_id',
      email: 'primary_email',
      password: 'password_hash',
      emailVerified: 'confirmed',
      email_verified: 'confirmed',
      role: 'group',
      createdAt: 'created_at',
      created_at: 'created_at',
      $banned: 'disabled',
    }),
    prepare: ofBetterAuth,
    reads: ['banned', 'banExpires', 'ban_expires'],
  },
  supabase: {
    pairs: pairs({
      id: 'guid',
      email: 'primary_email',
      encrypted_password: 'password_hash',
      email_confirmed_at: 'confirmed',
      banned_until: 'disabled',
      deleted_at: 'deleted',
      'raw_app_meta_data.role': 'group',
      created_at: 'created_at',
    }),
  },
  auth0: {
    pairs: pairs({
      user_id: 'external_id',
      $oid: 'external_id',
      email: 'primary_email',
      email_verified: 'confirmed',
      passwordHash: 'password_hash',
      blocked: 'disabled',
      created_at: 'created_at',
    }),
    prepare: (row) => {
      const oid = lookUp(row, '_id.$oid')
      // The subject of Auth0's tokens.
      return isEmpty(oid) ? row : { ...row, $oid: `auth0|${String(oid)}` }
    },
    // By itself, the export of hashes would let in whoever is blocked.
    refuse: ({ _id: id, user_id: user }) =>
      isEmpty(id) || !isEmpty(user) ? null : 'has no user_id: docs/import.md joins the hashes with the users first',
    reads: ['_id'],
  },
  firebase: {
    pairs: pairs({
      localId: 'external_id',
      email: 'primary_email',
      emailVerified: 'confirmed',
      $hash: 'password_hash',
      disabled: 'disabled',
      customAttributes: 'claims',
      createdAt: 'created_at',
    }),
    prepare: ofFirebase,
    reads: [HASH_OF_FIREBASE, 'salt'],
  },
  devise: {
    pairs: pairs({
      id: 'external_id',
      email: 'primary_email',
      encrypted_password: 'password_hash',
      confirmed_at: 'confirmed',
      created_at: 'created_at',
      deleted_at: 'deleted',
    }),
  },
  laravel: {
    pairs: pairs({
      id: 'external_id',
      email: 'primary_email',
      password: 'password_hash',
      email_verified_at: 'confirmed',
      created_at: 'created_at',
      deleted_at: 'deleted',
    }),
  },
} as const satisfies Readonly<Record<string, Preset>>

/** An export without a system: columns that have our names, all of them, and a few that mean the same. */
export const OWN_NAMES: Preset = {
  pairs: pairs({
    ...Object.fromEntries(Object.keys(TARGETS).map((name) => [name, name])),
    email: 'primary_email',
    is_active: 'active',
    email_verified: 'confirmed',
  }),
  namesClaims: true,
}

/** What a system is called that has an export of another name. */
const ALSO: Readonly<Record<string, keyof typeof PRESETS>> = {
  django: 'simplejwt',
  rails: 'devise',
  betterauth: 'better-auth',
}

/** Throws `UsageProblem` for a system that is not known. */
export function presetOf(name: string | undefined): Preset {
  if (name === undefined) return OWN_NAMES
  const known = Object.keys(PRESETS)
  if (Object.hasOwn(PRESETS, name)) return PRESETS[name as keyof typeof PRESETS]
  const near = nearestWord(name, known) ?? ALSO[name]
  throw new UsageProblem(
    `--from ${name} is none of ${known.join(', ')}${near === undefined ? '' : `: did you mean ${near}?`}`,
  )
}

/** `dumpdata` has the columns below `fields`, and the key beside them. Who may do more is in a group of that name. */
function ofDjango(row: Row): Row {
  const fields = row['fields']
  const flat: Row = typeof fields === 'object' && fields !== null ? { id: row['pk'], ...fields } : row
  if (isTrue(flat['is_superuser'])) return { ...flat, $group: 'admin' }
  return isTrue(flat['is_staff']) ? { ...flat, $group: 'staff' } : flat
}

/** Somebody who is banned has a time when that ends, or none. */
function ofBetterAuth(row: Row): Row {
  const [banned, until] = [row['banned'], row['banExpires'] ?? row['ban_expires']]
  if (isEmpty(banned)) return row
  return { ...row, $banned: isTrue(banned) && !isEmpty(until) ? until : banned }
}

function isTrue(value: unknown): boolean {
  return value === true || /^(t|true|1)$/i.test(String(value))
}

function ofFirebase(row: Row, { firebase }: Project): Row {
  const { [HASH_OF_FIREBASE]: hash, salt } = row
  if (isEmpty(hash) || firebase === null) return row
  return { ...row, $hash: firebaseHash(firebase, typeof salt === 'string' ? salt : '', String(hash)) }
}
