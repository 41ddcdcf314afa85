/**
 * Ways to hand a mail over. A transport returns when the mail was accepted, and otherwise says whether another try
 * can help; it never decides how often to try.
 */

import type { MailContent } from './message.ts'
import { cleanRefusal, readRefusal } from './refusal.ts'

export interface Mail extends MailContent {
  readonly to: string
  /** The same for every try of one mail, so that a service that got it already does not send it again. */
  readonly idempotencyKey: string
}

/** Hands one mail over. Throws `MailError`; anything else that it throws counts as worth another try. */
export type Transport = (mail: Mail) => Promise<void>

/** A mail that was not accepted. `reason` is for operators: what `cleanRefusal` lets through. */
export class MailError extends Error {
  override readonly name = 'MailError'
  /** Another try would fail in the same way. */
  readonly permanent: boolean
  /** What the service asked for (RFC 9110 section 10.2.3), in seconds. */
  readonly retryAfterSeconds: number

  constructor(reason: string, permanent: boolean, retryAfterSeconds = 0) {
    super(reason)
    this.permanent = permanent
    this.retryAfterSeconds = retryAfterSeconds
  }
}

/** Codes of the `send_email` binding that no further try changes: the mail or the account's setup is at fault. */
const PERMANENT_CODES = new Set([
  'E_VALIDATION_ERROR',
  'E_FIELD_MISSING',
  'E_TOO_MANY_RECIPIENTS',
  'E_SENDER_NOT_VERIFIED',
  'E_SENDER_DOMAIN_NOT_AVAILABLE',
  'E_RECIPIENT_NOT_ALLOWED',
  'E_RECIPIENT_SUPPRESSED',
  'E_CONTENT_TOO_LARGE',
  'E_HEADER_NOT_ALLOWED',
])

const TIMEOUT_MILLISECONDS = 10_000

/** Time-out, our own earlier try still under way, too early, too many. */
const TEMPORARY_STATUSES = new Set([408, 409, 425, 429])

/** The `send_email` binding. It knows no idempotency key: a mail whose acceptance we missed is sent again. */
export function cloudflareTransport(binding: SendEmail, from: string): Transport {
  return async ({ to, subject, text, html }) => {
    try {
      await Promise.race([binding.send({ from, to, subject, text, html }), rejectInTime()])
    } catch (error) {
      if (error instanceof MailError) throw error
      const code = errorCode(error)
      const words = cleanRefusal(error instanceof Error ? error.message : '', [to])
      throw new MailError(inWords(code ?? 'send_email failed', words), code !== null && PERMANENT_CODES.has(code))
    }
  }
}

export interface MailApi {
  readonly url: string
  readonly key: string | undefined
  readonly from: string
}

/** A mail API over HTTP, in the shape that Resend takes. */
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
      // The status is the answer, and the body may never end.
      await response.body?.cancel().catch(() => undefined)
      return
    }
    const words = cleanRefusal(await readRefusal(response.body), [to, key ?? ''])
    const permanent = response.status < 500 && !TEMPORARY_STATUSES.has(response.status)
    throw new MailError(inWords(`HTTP ${response.status}`, words), permanent, retryAfter(response))
  }
}

function inWords(reason: string, words: string): string {
  return words === '' ? reason : `${reason}: ${words}`
}

/** The binding takes no signal; a call that hangs must not outlive its lease. */
function rejectInTime(): Promise<never> {
  return new Promise((_resolve, reject) => {
    AbortSignal.timeout(TIMEOUT_MILLISECONDS).addEventListener('abort', () => {
      reject(new MailError('no answer in time', false))
    })
  })
}

function retryAfter(response: Response): number {
  const value = response.headers.get('Retry-After')
  return value !== null && /^\d{1,6}$/.test(value) ? Number(value) : 0
}

function errorCode(error: unknown): string | null {
  const code = error instanceof Error && 'code' in error ? error.code : null
  return typeof code === 'string' ? code : null
}
