/** Sessions of a user, as operators see and end them. */

import type { Context } from 'hono'
import * as z from 'zod/mini'

import { endSessionOf, endSessionsOf, endSessionsOfAll, listSessionsOf } from '../../domain/operators/end-user.ts'
import { describeListed } from '../answer/describe.ts'
import type { AppEnv } from '../factory.ts'
import { parseBody } from '../../shape.ts'
import { readOperator } from './acting.ts'
import { readQuery, WholeOrNull } from './query.ts'
import { UserPath } from './user-contract.ts'

export const AllRequest = z.strictObject({ cursor: WholeOrNull })

/** `GET /admin/users/{guid}/sessions` */
export async function listUserSessions(c: Context<AppEnv>): Promise<Response> {
  const { guid } = parseBody(UserPath, c.req.param())
  return c.json({ sessions: (await listSessionsOf(c.env, guid)).map(describeListed) })
}

/** `DELETE /admin/users/{guid}/sessions` */
export async function endUserSessions(c: Context<AppEnv>): Promise<Response> {
  const { guid } = parseBody(UserPath, c.req.param())
  await endSessionsOf(c.env, guid, readOperator(c))
  return c.body(null, 204)
}

/** `DELETE /admin/users/{guid}/sessions/{sid}` */
export async function endUserSession(c: Context<AppEnv>): Promise<Response> {
  const { guid } = parseBody(UserPath, c.req.param())
  await endSessionOf(c.env, { guid, sid: c.req.param('sid') ?? '' }, readOperator(c))
  return c.body(null, 204)
}

/** `DELETE /admin/sessions`: of everybody, until there is no `next`. */
export async function endAllSessions(c: Context<AppEnv>): Promise<Response> {
  const { cursor } = readQuery(c, AllRequest)
  const { ended, next } = await endSessionsOfAll(c.env, cursor ?? 0, readOperator(c))
  return c.json({ ended, next: next === null ? null : String(next) })
}
