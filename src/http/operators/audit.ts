/** The ledger, as operators read it. */

import type { Context } from 'hono'
import * as z from 'zod/mini'

import { AUDIT_ACTIONS, type AuditAction } from '../../domain/operators/audit.ts'
import { Guid } from '../../domain/tokens/claims.ts'
import type { AppEnv } from '../factory.ts'
import type { AuditEntry } from './answer-contract.ts'
import { Paging, readQuery, TextOrNull, WholeOrNull } from './query.ts'

// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the keys of the closed table are its acts, and there are some
const ACTIONS = Object.keys(AUDIT_ACTIONS) as [AuditAction, ...AuditAction[]]

export const AuditRequest = z.strictObject({
  guid: z.prefault(z.nullable(Guid), null),
  actor: TextOrNull,
  action: z.prefault(z.nullable(z.enum(ACTIONS, 'must be an action of the ledger')), null),
  since: WholeOrNull,
  until: WholeOrNull,
  ...Paging,
})

/** `GET /admin/audit`: the newest entries first. */
export async function listAudit(c: Context<AppEnv>): Promise<Response> {
  const { cursor: before, ...query } = readQuery(c, AuditRequest)
  const { audit } = await c.env.operators()
  const { entries, next } = await audit.list({ ...query, before })
  return c.json({
    entries: entries.map(({ client, ...entry }): AuditEntry => ({
      ...entry,
      ip: client.address,
      asn: client.asn,
      country: client.country,
      city: client.city,
      user_agent: client.userAgent,
    })),
    next: next === null ? null : String(next),
  })
}
