/** Whose browser asks for a page of their account, and where it goes where that is nobody's. */

import type { Context } from 'hono'

import type { OwnSession } from '../../domain/accounts/account.ts'
import { TesseraError } from '../../errors.ts'
import { logRefusal } from '../../log-refusal.ts'
import type { AppEnv } from '../factory.ts'
import { authenticateSession } from '../request/access-token.ts'

/** The parameter of a page whose form has to be filled in once more, since the session was renewed meanwhile. */
export const AGAIN = 'again'

/** An answer for whoever is signed in. */
type VisitorHandler = (c: Context<AppEnv>, visitor: OwnSession) => Promise<Response>

/**
 * A page that needs a session which may be used from this place. Without one it sends the browser to a refresh, which comes back here where the
 * session lives, and to the sign-in where it does not. What a form sent is not taken along, since it may hold a password. Throws
 * `unavailable`.
 */
export function forVisitor(answer: VisitorHandler): (c: Context<AppEnv>) => Promise<Response> {
  return async (c) => {
    const visitor = await readVisitor(c)
    return visitor === null ? toRefresh(c) : answer(c, visitor)
  }
}

async function readVisitor(c: Context<AppEnv>): Promise<OwnSession | null> {
  try {
    return await authenticateSession(c)
  } catch (error) {
    if (!(error instanceof TesseraError && error.status < 500)) throw error
    logRefusal(c.env.log, error, () => c.req.routePath)
    return null
  }
}

function toRefresh(c: Context<AppEnv>): Response {
  const { basePath } = c.env.settings
  const here = `${basePath}${c.req.path}${c.req.method === 'POST' ? `?${AGAIN}=1` : ''}`
  return c.redirect(`${basePath}/refresh?to=${encodeURIComponent(here)}`, 303)
}
