/**
 * What the process that started a Tessera of the kit may ask its Worker, beside what everybody may: to move the clock, and which mail is the
 * newest to an address. Requests of the kit carry a key that only this process knows; to everybody else the path is one of the real
 * Worker, which has no such route.
 */

import * as z from 'zod/mini'

import { normalizeEmail } from '../domain/accounts/account.ts'
import type { Runtime } from '../services.ts'
import { CONTROL_KEY_HEADER, CONTROL_PATH, type ControlAnswer } from './control-contract.ts'
import type { TestingEnv } from './migrate.ts'

const Asked = z.object({ travelSeconds: z.optional(z.int()), mailTo: z.optional(z.string()) })

/** Whether a request is one of the kit. */
export function isControl({ url, headers }: Request, { TESTING }: TestingEnv): boolean {
  return headers.get(CONTROL_KEY_HEADER) === TESTING.controlKey && new URL(url).pathname === CONTROL_PATH
}

interface Controlled {
  readonly database: Env['DB']
  /** An error where Tessera cannot start from its settings. */
  readonly runtime: Runtime | Error
  readonly travel: (seconds: number) => Promise<void>
}

/** Does what the kit asks for. */
export async function answerControl(request: Request, { database, runtime, travel }: Controlled): Promise<Response> {
  if (runtime instanceof Error) return answer({ error: runtime.message })
  const { travelSeconds, mailTo } = Asked.parse(await request.json())
  if (travelSeconds !== undefined) await travel(travelSeconds)
  return answer({ mail: mailTo === undefined ? null : await newestMail(database, mailTo) })
}

function answer(body: ControlAnswer): Response {
  return Response.json(body)
}

async function newestMail(database: Env['DB'], recipient: string) {
  return database
    .prepare(
      `SELECT id, kind, sent_at IS NOT NULL AS isSent, last_error AS lastError FROM notifications
       WHERE recipient = ? ORDER BY rowid DESC LIMIT 1`,
    )
    .bind(normalizeEmail(recipient))
    .first<{ id: string; kind: string; isSent: number; lastError: string | null }>()
}
