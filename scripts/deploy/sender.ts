/**
 * Whether Cloudflare sends mails for a sender's domain. Nothing depends on it but the mails, which are parked in the outbox:
 * docs/storage.md says how they go out later.
 */

import * as z from 'zod/mini'

import { type Cloudflare, CloudflareError } from './cloudflare.ts'
import { DeployProblem } from './problem.ts'
import { findZone } from './zone.ts'

/** `auth@example.com`, or `Tessera <auth@example.com>`. */
const SENDER = /^(?:[^\r\n<>"]+ <([^\s<>@]+@[^\s<>@]+\.[^\s<>@]+)>|([^\s<>@]+@[^\s<>@]+\.[^\s<>@]+))$/

/** A sender as it was typed. Throws `DeployProblem`. */
export function parseSender(text: string): string {
  const sender = text.trim()
  if (!SENDER.test(sender)) throw new DeployProblem(`${text} is no sender: Tessera <auth@example.com> is one.`)
  return sender
}

/** One line when mails of this sender would not go out; `null` when they do, or nobody can say. */
export async function senderWarning(cloudflare: Cloudflare, account: string, sender: string): Promise<string | null> {
  const [, named, bare] = SENDER.exec(sender) ?? []
  const domain = (named ?? bare ?? '').split('@')[1]?.toLowerCase() ?? ''
  const remedy = `npx wrangler email sending enable ${domain}, or set MAIL_TRANSPORT=api. Until then each mail is refused and parked.`
  try {
    const zone = await findZone(cloudflare, account, domain)
    if (zone === null)
      return `${domain} is on no domain of this account, so Email Service cannot send for it: set MAIL_TRANSPORT=api.`
    const Senders = z.array(z.object({ name: z.string(), enabled: z.optional(z.boolean()) }))
    const senders = await cloudflare.ask(Senders, `/zones/${zone.id}/email/sending/subdomains`)
    const isOnboarded = senders.some(({ name, enabled }) => name === domain && enabled !== false)
    return isOnboarded ? null : `${domain} is not onboarded to Email Service: ${remedy}`
  } catch (error) {
    // A token without this right deploys all the same.
    if (error instanceof CloudflareError) return null
    throw error
  }
}
