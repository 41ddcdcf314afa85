/** The shapes of requests about users, as operators send them. Unknown fields are ignored, as everywhere. */

import * as z from 'zod/mini'

import { DEFAULT_GROUP, isEmail, isGroup, MAX_EMAIL_LENGTH, normalizeEmail } from '../../domain/accounts/account.ts'
import { readForeignHash } from '../../domain/accounts/foreign-hash.ts'
import { isTimeZone, LANGUAGES } from '../../domain/language.ts'
import { isExternalId, readOwnClaims } from '../../domain/operators/own-claims.ts'
import { Guid } from '../../domain/tokens/claims.ts'
import { Paging, TextOrNull } from './query.ts'

const Email = z
  .string()
  .check(
    z.maxLength(MAX_EMAIL_LENGTH),
    z.overwrite(normalizeEmail),
    z.refine(isEmail, { message: 'Invalid email address' }),
  )

const Group = z.string().check(z.refine(isGroup, 'must have 1 to 32 characters, and no control characters'))

/** NFC takes time by the square of the combining marks in a row. */
const MAX_NFC_LENGTH = 512

const ExternalId = z
  .string()
  .check(
    z.overwrite(toNfc),
    z.refine(isExternalId, 'must have 1 to 128 characters in one line, without blanks around it'),
  )

const TimeZone = z
  .string()
  .check(z.maxLength(64), z.refine(isTimeZone, 'must be a name of the IANA time zone database'))

/** What becomes of claims is the JSON that is stored, `null` for none. */
const Claims = z.pipe(
  z.unknown(),
  z.transform((value, { issues }) => {
    const read = readOwnClaims(value)
    if ('stored' in read) return read.stored
    issues.push({ code: 'custom', message: read.refused, input: value })
    return z.NEVER
  }),
)

/** As another system stores it. What becomes of it is the form that is stored here. */
const PasswordHash = z.pipe(
  z.string().check(z.maxLength(512)),
  z.transform((text, { issues }) => {
    const read = readForeignHash(text)
    if ('stored' in read) return read.stored
    issues.push({ code: 'custom', message: read.refused, input: text })
    return z.NEVER
  }),
)

/** Its rules judge the length of a new password, and say which one it broke. */
const NewPassword = z.string()

const Fields = {
  primary_email: z.nullish(Email),
  password: z.nullish(NewPassword),
  password_hash: z.optional(PasswordHash),
  external_id: z.nullish(ExternalId),
  group: z.optional(
    z.pipe(
      z.nullable(Group),
      z.transform((group) => group ?? DEFAULT_GROUP),
    ),
  ),
  claims: z.nullish(Claims),
  active: z.optional(z.boolean()),
  confirmed: z.optional(z.boolean()),
  language: z.nullish(z.enum(LANGUAGES)),
  time_zone: z.nullish(TimeZone),
} as const

const hasOnePassword = z.refine<{ readonly password?: unknown; readonly password_hash?: unknown }>(
  ({ password, password_hash }) => password === undefined || password_hash === undefined,
  { path: ['password_hash'], message: 'must not come beside a password' },
)

const hasAnId = z.refine<{ readonly primary_email?: unknown; readonly guid?: unknown; readonly external_id?: unknown }>(
  ({ primary_email, guid, external_id }) => [primary_email, guid, external_id].some((id) => (id ?? null) !== null),
  { path: ['primary_email'], message: 'Or guid, or external_id: one is needed' },
)

// A misspelt field that is ignored would leave an account open which its operator takes for closed.
export const CreateUserRequest = z.strictObject({ ...Fields, guid: z.nullish(Guid) }).check(hasOnePassword, hasAnId)

/** A line of an import. Hashing as many passwords would take more time than a request has. */
export const ImportedUserLine = z
  .strictObject({
    ...Fields,
    password: z.nullish(z.custom<never>(() => false, 'is not taken by an import: give password_hash')),
    guid: z.nullish(Guid),
    created_at: z.nullish(z.int().check(z.minimum(0))),
  })
  .check(hasAnId)

/** What is asked for of a new account, with the values of what is left out. */
export function orderOf(asked: Omit<z.output<typeof CreateUserRequest>, 'password'>) {
  return {
    guid: asked.guid ?? null,
    email: asked.primary_email ?? null,
    passwordHash: asked.password_hash ?? null,
    externalId: asked.external_id ?? null,
    ownClaims: asked.claims ?? null,
    group: asked.group ?? DEFAULT_GROUP,
    isActive: asked.active ?? true,
    isConfirmed: asked.confirmed ?? true,
    language: asked.language ?? null,
    timeZone: asked.time_zone ?? null,
  }
}

export const ChangeUserRequest = z.strictObject(Fields).check(
  hasOnePassword,
  z.refine((fields) => Object.values(fields).some((value) => value !== undefined), 'must have a field to change'),
)

export const UserPath = z.object({ guid: Guid })

const Flag = z.prefault(
  z.nullable(
    z.pipe(
      z.enum(['true', 'false']),
      z.transform((text) => text === 'true'),
    ),
  ),
  null,
)

export const UserListRequest = z.strictObject({
  email: TextOrNull,
  external_id: TextOrNull,
  search: TextOrNull,
  group: TextOrNull,
  active: Flag,
  confirmed: Flag,
  left: Flag,
  ...Paging,
})

/** Two keyboards, and two systems, may write one text in two ways. */
function toNfc(text: string): string {
  return text.length > MAX_NFC_LENGTH ? text : text.normalize('NFC')
}
