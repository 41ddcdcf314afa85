/** Who is a trusted back end: whoever sends the service key as a bearer token (RFC 6750 section 2.1). */

import type { Context } from 'hono'

import { TesseraError } from '../../errors.ts'
import type { AppEnv } from '../factory.ts'
import { hasServiceKey, readBearer } from '../request/bearer.ts'

/** Throws `not_authenticated` without a key, `forbidden` for a wrong one and where none is configured. */
export async function requireServiceKey(c: Context<AppEnv>): Promise<void> {
  if (readBearer(c) === null) throw new TesseraError('not_authenticated')
  if (!(await hasServiceKey(c))) throw new TesseraError('forbidden', { cause: 'service key' })
}

/** Throws `forbidden` where no session may be opened by a guid. */
export function requireIssuing(c: Context<AppEnv>): void {
  if (c.env.settings.issueAccess === 'off') throw new TesseraError('forbidden', { cause: 'ISSUE_ACCESS is off' })
}

/** Lets the callers through that `ISSUE_ACCESS` names. Throws as `requireIssuing` does, and as `requireServiceKey` where a key is needed. */
export async function requireIssueAccess(c: Context<AppEnv>): Promise<void> {
  requireIssuing(c)
  if (c.env.settings.issueAccess === 'service') await requireServiceKey(c)
}
