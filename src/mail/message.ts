/**
 * The texts of the mails. Every value is escaped by `html`, and no value reaches a header: subjects are fixed.
 *
 * Mail programs are old browsers: inline styles, one column, and the plain text says all that the HTML says.
 */

import { html } from 'hono/html'

import type { NoticeKind, StoredNotice } from '../domain/mails/notice.ts'
import { describeNotice } from '../domain/mails/details.ts'
import { offerPlaces, type OfferedPlaces } from '../domain/mails/offered-places.ts'
import type { LocationPolicy } from '../domain/places/place.ts'
import type { LinkPurpose } from '../domain/tokens/claims.ts'

export interface MailContent {
  readonly subject: string
  readonly text: string
  readonly html: string
}

/** The URL of a link for a mail. */
export type SignLink = (purpose: LinkPurpose, notice: StoredNotice) => Promise<string>

interface Wording {
  readonly subject: string
  readonly headline: string
  readonly explanation: string
  readonly advice: (places: OfferedPlaces | null) => string
  readonly links: readonly LinkPurpose[]
}

const WORDINGS: Readonly<Record<NoticeKind, Wording>> = {
  location_blocked: {
    subject: 'We blocked a sign-in from another place',
    headline: 'Somebody used your session from another place',
    explanation:
      'Your session was presented from a network that it was not opened from. We ended that session, so it cannot be used any more, from there or from anywhere else.',
    advice: (places) =>
      places === null
        ? 'If this was you, sign in again. It came from a Worker, as anybody can run one, so the place cannot be allowed. If it was not you, end all your sessions and change your password: the link also takes back the places that you allowed. It works once, for 24 hours.'
        : `If this was you, sign in again. The second link below lets you allow ${places.blocked.words}${places.former === null ? '' : ` (and, if you tick it there, ${places.former.words})`}, for 90 days. If it was not you, end all your sessions and change your password: the first link also takes back the places that you allowed. The links work once, for 24 hours.`,
    links: ['end_sessions', 'allow_place'],
  },
  token_reused: {
    subject: 'We ended a session that was used twice',
    headline: 'A session of yours was used twice',
    explanation:
      'A key of your session that had been replaced already was presented again. That happens when somebody has a copy of it. That session has ended; your other sessions are not affected.',
    advice: () =>
      'Sign in again. If you do not recognize the device above, end all your sessions and change your password. The link works once, for 24 hours.',
    links: ['end_sessions'],
  },
}

const LINK_LABELS: Readonly<Record<LinkPurpose, string>> = {
  end_sessions: 'End all my sessions',
  allow_place: 'That was me, allow this place',
}

/** Renders a stored notice. The same notice gives the same message under one policy, however often it is sent. */
export async function renderMail(
  notice: StoredNotice,
  locationPolicy: LocationPolicy,
  signLink: SignLink,
): Promise<MailContent> {
  const { subject, headline, explanation, ...wording } = WORDINGS[notice.kind]
  const places = offerPlaces(locationPolicy, notice.facts)
  const advice = wording.advice(places)
  const purposes = wording.links.filter((purpose) => purpose !== 'allow_place' || places !== null)
  const details = describeNotice(notice.facts)
  const links = await Promise.all(
    purposes.map(async (purpose) => ({ label: LINK_LABELS[purpose], url: await signLink(purpose, notice) })),
  )
  const text = [
    headline,
    explanation,
    details.map(([name, value]) => `${name}: ${value}`).join('\n'),
    advice,
    ...links.map(({ label, url }) => `${label}:\n${url}`),
  ]
  const rows = details.map(
    ([name, value]) =>
      html`<tr>
        <th align="left" style="padding:4px 16px 4px 0;font-weight:normal;color:#57606a">${name}</th>
        <td style="padding:4px 0">${value}</td>
      </tr>`,
  )
  const buttons = links.map(
    ({ label, url }) =>
      html`<p>
        <a
          href="${url}"
          style="display:inline-block;padding:8px 16px;border:1px solid #1f2328;border-radius:6px;color:#1f2328"
          >${label}</a
        >
      </p>`,
  )
  const page = html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <title>${subject}</title>
      </head>
      <body style="margin:0;padding:24px;font:16px/1.5 system-ui,sans-serif;color:#1f2328;background:#fff">
        <div style="max-width:560px;margin:0 auto">
          <h1 style="font-size:20px">${headline}</h1>
          <p>${explanation}</p>
          <table style="border-collapse:collapse;margin:16px 0">
            ${rows}
          </table>
          <p>${advice}</p>
          ${buttons}
        </div>
      </body>
    </html>`
  return { subject, text: `${text.join('\n\n')}\n`, html: String(await page) }
}
