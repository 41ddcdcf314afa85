/** The password of an account, asked for once more where a session alone is not enough: whoever has a token is not yet its owner. */

import { TesseraError } from '../../errors.ts'
import type { Caller } from '../caller.ts'
import type { Services } from '../services.ts'
import { type Account, normalizeEmail, type Verified } from './account.ts'

/**
 * Verifies the password of an account, and returns the hash that it fits. Throws `password_not_valid`, which names the field that it
 * stands in, and `unavailable`.
 */
export async function requirePassword(
  services: Pick<Services, 'accounts' | 'passwords'>,
  account: Account,
  password: string,
  field: 'password' | 'current_password',
  _caller: Caller,
): Promise<Verified> {
  const found = account.email === null ? null : await services.accounts.findByEmail(normalizeEmail(account.email))
  const own = found?.id === account.id ? found.passwordHash : null
  const { matches } = await services.passwords.verify(password, own)
  if (own === null || !matches) {
    throw new TesseraError('password_not_valid', { cause: 'wrong password', fields: { [field]: ['is not right'] } })
  }
  return { userId: account.id, passwordHash: own }
}
