/** What a deployment says of itself at `/healthz`, part by part, and what to do about each. */

import * as z from 'zod/mini'

import { type Part, PARTS } from '../../src/domain/health.ts'
import { type Finding, ok, wrong } from './finding.ts'

const TIMEOUT_MS = 10_000

const Condition = z.enum(['ok', 'not ok', 'unknown'])
const Health = z.object({
  checks: z.object({
    configuration: Condition,
    keys: Condition,
    database: Condition,
    queue: Condition,
    sender: Condition,
  }),
})

const REMEDIES: Readonly<Record<Part, string>> = {
  configuration: 'a value cannot be used: `npx wrangler tail NAME` names its key at the next request',
  keys: 'they cannot be derived: `npx wrangler tail NAME` says why at the next request',
  database: 'it is not migrated, or does not answer: `npm run deploy` migrates it',
  queue: 'it does not answer: `npm run deploy` creates what is missing',
  sender:
    'MAIL_FROM is still the sample, or send_email is not bound: set MAIL_FROM to an address of a domain that is onboarded',
}

/** Asks the deployment called `name` at `publicUrl`, below its `basePath`. */
export async function examineHealth(publicUrl: unknown, basePath: string, name: string): Promise<readonly Finding[]> {
  if (typeof publicUrl !== 'string' || publicUrl === '') {
    return [
      wrong('PUBLIC_URL', 'is not known here: say where it answers, `npm run doctor -- --remote --url https://…`'),
    ]
  }
  const url = `${(publicUrl.includes('://') ? publicUrl : `https://${publicUrl}`).replace(/\/+$/, '')}${basePath}/healthz`
  let status: number
  let text: string
  try {
    const response = await fetch(url, { redirect: 'manual', signal: AbortSignal.timeout(TIMEOUT_MS) })
    status = response.status
    text = await response.text()
  } catch (error) {
    return [wrong('address', `${url} does not answer (${reasonOf(error)}): look at Settings → Domains & Routes`)]
  }
  const health = Health.safeParse(parseJson(text))
  if (!health.success) return [wrong('address', `${url} answers ${status}, and is no Tessera of this version`)]
  // A part is unknown only because of another one that is not ok, and that one is reported.
  const bad = PARTS.filter((part) => health.data.checks[part] === 'not ok')
  if (bad.length === 0) return [ok('address', `${url}: all is well`)]
  return bad.map((part) => wrong(part, REMEDIES[part].replace('NAME', name)))
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

/** The reason for a failed `fetch`, which only its cause has. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.cause instanceof Error ? error.cause.message : error.message
}
