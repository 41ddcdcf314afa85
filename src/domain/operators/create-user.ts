/** An account that an operator makes, with a password in clear, with the hash of one, or with none. */

import { TesseraError } from '../../errors.ts'
import { type PasswordRulesDeps, requireGoodPassword } from '../accounts/password-rules.ts'
import type { Services } from '../services.ts'
import type { NewUser, ActingOperator, UniqueField, User } from './user.ts'

type CreateServices = PasswordRulesDeps & Pick<Services, 'operators' | 'passwords' | 'newId' | 'now'>

/** What an operator asks for. `password` is in clear, and comes in the place of `passwordHash`. */
export interface UserOrder extends Omit<NewUser, 'guid' | 'confirmedAt'> {
  /** `null`: a random one. */
  readonly guid: string | null
  readonly password: string | null
  /** Whether its address, if it has one, counts as confirmed. */
  readonly isConfirmed: boolean
}

/** Makes an account. Throws `password_not_accepted`, `already_exists`, `unavailable`. */
export async function createUser(services: CreateServices, order: UserOrder, by: ActingOperator): Promise<User> {
  const { password, isConfirmed, ...given } = order
  const now = services.now()
  if (password !== null) await requireGoodPassword(services, { password, email: order.email ?? '' }, 'password')
  const user: NewUser = {
    ...given,
    guid: order.guid ?? services.newId(),
    passwordHash: password === null ? order.passwordHash : await services.passwords.hash(password),
    confirmedAt: isConfirmed && order.email !== null ? now : null,
  }
  const { users } = await services.operators()
  const created = await users.create(user, { action: 'user_created', facts: madeFacts(user), by, now })
  if (!('id' in created)) throw alreadyExists(created)
  services.log({ event: 'registered', guid: created.guid, reason: 'operator' })
  return created
}

/** What the ledger tells of an account that was made. */
export function madeFacts({ group, isActive, confirmedAt, passwordHash }: NewUser) {
  return { group, active: isActive, confirmed: confirmedAt !== null, has_password: passwordHash !== null }
}

/** The error that says which values another account has. */
export function alreadyExists(taken: readonly UniqueField[]): TesseraError {
  return new TesseraError('already_exists', {
    fields: Object.fromEntries(taken.map((field) => [field, ['is taken']])),
  })
}
