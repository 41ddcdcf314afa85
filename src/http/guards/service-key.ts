/** Who is a trusted back end: whoever sends a service key as a bearer token (RFC 6750 section 2.1). */

import type { Context } from 'hono'

import { TesseraError } from '../../errors.ts'
import type { ServiceKey, ServiceScope } from '../../domain/operators/service-key.ts'
import { requireIssuing } from '../../domain/sessions/sign-in.ts'
import { type AppEnv, factory } from '../factory.ts'
import { readBearer, readServiceKey } from '../request/bearer.ts'
import { readClient } from '../request/client.ts'

/** The key of the caller, which may do this. Throws `not_authenticated` without one, `forbidden` for a wrong one and for one that may not. */
export async function requireServiceKey(c: Context<AppEnv>, scope: ServiceScope): Promise<ServiceKey> {
  if (readBearer(c) === null) throw new TesseraError('not_authenticated')
  const key = await readServiceKey(c, scope)
  if (key === null) throw new TesseraError('forbidden', { cause: 'service key' })
  return key
}

/** Lets the callers through that `ISSUE_ACCESS` names. Throws as `requireIssuing` does, and as `requireServiceKey` where a key is needed. */
export async function requireIssueAccess(c: Context<AppEnv>): Promise<void> {
  requireIssuing(c.env)
  if (c.env.settings.issueAccess === 'service') await requireServiceKey(c, 'issue')
}

/** Lets operators through, and says who it is. Throws as `requireServiceKey` does. */
export const requireOperator = factory.createMiddleware(async (c, next) => {
  const { name } = await requireServiceKey(c, 'admin')
  c.set('operator', { key: name, client: readClient(c) })
  await next()
})
