/** The `send_email` binding. It has no idempotency key, so that a mail whose acceptance got lost is sent again. */

import { inTime, NoAnswer } from '../../domain/in-time.ts'
import { cleanRefusal, withWords } from './refusal.ts'
import { MailError, TIMEOUT_MILLISECONDS, type Transport } from './transport.ts'

/** Codes that no further try changes: the mail or the account's setup is at fault. */
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

/** The transport of `MAIL_TRANSPORT=cloudflare`. */
export function cloudflareTransport(binding: SendEmail, from: string): Transport {
  return async ({ to, subject, text, html }) => {
    try {
      // The binding takes no signal, and a call that hangs must not outlive its lease.
      await inTime(binding.send({ from, to, subject, text, html }), TIMEOUT_MILLISECONDS)
    } catch (error) {
      if (error instanceof NoAnswer) throw new MailError('no answer in time', false)
      const code = errorCode(error)
      const words = cleanRefusal(error instanceof Error ? error.message : '', [to])
      throw new MailError(withWords(code ?? 'send_email failed', words), code !== null && PERMANENT_CODES.has(code))
    }
  }
}

function errorCode(error: unknown): string | null {
  const code = error instanceof Error && 'code' in error ? error.code : null
  return typeof code === 'string' ? code : null
}
