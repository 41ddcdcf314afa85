/** Whose browser asks for a page of their account, and where it goes where that is nobody's. */

import type { Context } from 'hono'

import type { OwnSession } from '../../domain/accounts/account.ts'
import { TesseraError } from '../../errors.ts'
import { logRefusal } from '../answer/problem.ts'
import type { AppEnv } from '../factory.ts'
import { authenticateOwner } from '../request/access-token.ts'

/** The parameter of a page whose form has to be filled in once more, since the session was renewed meanwhile. */
export const AGAIN = 'again'

/**
 * Whose session asks, from its own place; or the answer that sends the browser on: to a refresh, which comes back here where the session
 * lives, and to the sign-in where it does not. What a form sent is not taken along, since it may hold a password. Throws `unavailable`.
 */
export async function requireVisitor(c: Context<AppEnv>): Promise<OwnSession | Response> {
  try {
    const { account, session } = await authenticateOwner(c)
    return { account, sid: session.sid }
  } catch (error) {
    if (!(error instanceof TesseraError && error.status < 500)) throw error
    logRefusal(error, c)
    const { basePath } = c.env.settings
    const here = `${basePath}${c.req.path}${c.req.method === 'POST' ? `?${AGAIN}=1` : ''}`
    return c.redirect(`${basePath}/refresh?to=${encodeURIComponent(here)}`, 303)
  }
}
