/** A mail API over HTTP, in the shape that Resend takes. */

import { cleanRefusal, readRefusal, withWords } from './refusal.ts'
import { MailError, TIMEOUT_MILLISECONDS, type Transport } from './transport.ts'

export interface MailApi {
  readonly url: string
  readonly key: string | undefined
  readonly from: string
}

/** Statuses below 500 after which another try can help: time-out, an earlier try under way, too early, too many. */
const TEMPORARY_STATUSES = new Set([408, 409, 425, 429])

/** The transport of `MAIL_TRANSPORT=api`. */
export function apiTransport({ url, key, from }: MailApi): Transport {
  return async ({ to, subject, text, html, idempotencyKey }) => {
    const response = await fetch(url, {
      method: 'POST',
      headers: {
        'Content-Type': 'application/json',
        'Idempotency-Key': idempotencyKey,
        ...(key !== undefined && { Authorization: `Bearer ${key}` }),
      },
      body: JSON.stringify({ from, to, subject, text, html }),
      // A redirect would carry the key to another host.
      redirect: 'manual',
      signal: AbortSignal.timeout(TIMEOUT_MILLISECONDS),
    })
    if (response.ok) {
      // The status alone says that the mail was accepted; the body may never end.
      await response.body?.cancel().catch(() => undefined)
      return
    }
    const words = cleanRefusal(await readRefusal(response.body), [to, key ?? ''])
    const permanent = response.status < 500 && !TEMPORARY_STATUSES.has(response.status)
    throw new MailError(withWords(`HTTP ${response.status}`, words), permanent, retryAfter(response))
  }
}

function retryAfter(response: Response): number {
  const value = response.headers.get('Retry-After')
  return value !== null && /^\d{1,6}$/.test(value) ? Number(value) : 0
}
