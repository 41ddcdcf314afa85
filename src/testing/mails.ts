/** The mails of a test, as their owners get them: rendered, queued and handed over for real, to the process of the test. */

import { setTimeout as sleep } from 'node:timers/promises'

import type { Served } from './serve.ts'

export interface Mail {
  /** What it is about, such as `confirm_address`, `reset_password` and `location_blocked`. */
  readonly kind: string
  readonly subject: string
  readonly text: string
  readonly html: string
  /**
   * Every URL in it, by what it is for: `confirm`, `reset_password`, `confirm_email`, `undo_email`, `end_sessions`, `allow_place`. A link that
   * only leads to a page has the name of that page.
   */
  readonly links: Readonly<Record<string, string>>
}

export interface MailPatience {
  /** How long to wait for it: 5000, where it is left out. */
  readonly milliseconds?: number
}

const PATIENCE_MS = 5000
const INTERVAL_MS = 15

/**
 * The newest mail to an address. One that is due is waited for until it was handed over, so that it is never the one before. Throws where there is
 * none in time, and says which mails there are.
 */
export async function lastMail(
  { control, mails }: Pick<Served, 'control' | 'mails'>,
  email: string,
  { milliseconds = PATIENCE_MS }: MailPatience = {},
): Promise<Mail> {
  const deadline = Date.now() + milliseconds
  for (;;) {
    // oxlint-disable-next-line no-await-in-loop -- it asks again until the mail is there
    const state = await control({ mailTo: email })
    const mail = state === null || state.isSent === 0 ? undefined : mails.get(state.id)
    if (state !== null && mail !== undefined) return { kind: state.kind, ...contentOf(mail) }
    if (Date.now() >= deadline) {
      const reason = state?.lastError ? `: ${state.lastError}` : ''
      const known = new Set([...mails.values()].map(({ to }) => to))
      const others = known.size === 0 ? 'there are no mails' : `there are mails to ${[...known].join(', ')}`
      throw new Error(
        state === null
          ? `no mail to ${email} is due after ${milliseconds} ms; ${others}`
          : `the mail ${state.kind} to ${email} was not handed over within ${milliseconds} ms${reason}`,
      )
    }
    // oxlint-disable-next-line no-await-in-loop -- the same
    await sleep(INTERVAL_MS)
  }
}

function contentOf({ subject, text, html }: Omit<Mail, 'kind' | 'links'>): Omit<Mail, 'kind'> {
  const urls = text.match(/https?:\/\/[^\s<>"]+/g) ?? []
  return { subject, text, html, links: Object.fromEntries(urls.map((url) => [purposeOf(url), url])) }
}

/** `/links/reset-password` is for `reset_password`, and `/account/sessions` is the page `sessions`. */
function purposeOf(url: string): string {
  return (new URL(url).pathname.split('/').at(-1) ?? '').replaceAll('-', '_')
}
