/** Where a browser goes on to, as far as a caller may say that. */

import type { Context } from 'hono'

import { readReturnAddress } from '../../domain/return-address.ts'
import { TesseraError } from '../../errors.ts'
import type { AppEnv } from '../factory.ts'
import { ownOrigin } from './caller.ts'

/** The address that a text names. Throws `wrong_data_structure` for what `readReturnAddress` does not take. */
export function requireReturnAddress(c: Context<AppEnv>, text: string): string {
  const { returnOrigins } = c.env.settings
  const address = readReturnAddress(text, { origin: ownOrigin(c), returnOrigins })
  if (address === null) throw new TesseraError('wrong_data_structure', { cause: 'return address' })
  return address
}
