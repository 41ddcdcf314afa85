/**
 * The texts of the mails. Every value is escaped by `html`, and no value reaches a header: subjects are fixed.
 *
 * Mail programs are old browsers: inline styles, one column, and the plain text says all that the HTML says.
 */

import { html } from 'hono/html'

import type { NoticeFacts, NoticeKind, StoredNotice } from '../domain/notice.ts'
import { describeDevice } from './device.ts'

export interface Message {
  readonly subject: string
  readonly text: string
  readonly html: string
}

interface Wording {
  readonly subject: string
  readonly headline: string
  readonly explanation: string
  readonly advice: string
}

const WORDINGS: Readonly<Record<NoticeKind, Wording>> = {
  location_blocked: {
    subject: 'We blocked a sign-in from another place',
    headline: 'Somebody used your session from another place',
    explanation:
      'Your session was presented from a network that it was not opened from. We ended that session, so it cannot be used any more, from there or from anywhere else.',
    advice:
      'If this was you, on another network, simply sign in again. If it was not, change your password and check the device you last signed in with.',
  },
  token_reused: {
    subject: 'We ended a session that was used twice',
    headline: 'A session of yours was used twice',
    explanation:
      'A key of your session that had been replaced already was presented again. That happens when somebody has a copy of it, so we ended that session. Your other sessions are not affected.',
    advice: 'Sign in again. If you do not recognize the device below, change your password.',
  },
}

/** Renders a stored notice. Pure: the same notice gives the same message, however often it is sent. */
export async function renderMessage({ kind, facts }: Pick<StoredNotice, 'kind' | 'facts'>): Promise<Message> {
  const { subject, headline, explanation, advice } = WORDINGS[kind]
  const details = describe(facts)
  const text = [headline, explanation, details.map(([name, value]) => `${name}: ${value}`).join('\n'), advice].join(
    '\n\n',
  )
  const rows = details.map(
    ([name, value]) =>
      html`<tr>
        <th align="left" style="padding:4px 16px 4px 0;font-weight:normal;color:#57606a">${name}</th>
        <td style="padding:4px 0">${value}</td>
      </tr>`,
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
          <table role="presentation" style="border-collapse:collapse;margin:16px 0">
            ${rows}
          </table>
          <p>${advice}</p>
        </div>
      </body>
    </html>`
  return { subject, text: `${text}\n`, html: String(await page) }
}

function describe({ at, client }: NoticeFacts): readonly (readonly [name: string, value: string])[] {
  const unknown = 'unknown'
  const asn = client.asn === null ? null : `AS${client.asn}`
  return [
    ['When', `${new Date(at * 1000).toISOString().replace('T', ' ').slice(0, 16)} UTC`],
    ['City', oneLine(client.city) ?? unknown],
    ['Country', countryName(client.country) ?? unknown],
    ['Network', [oneLine(client.network), asn].filter((part) => part !== null).join(', ') || unknown],
    ['Address', client.address],
    ['Device', describeDevice(oneLine(client.userAgent)) ?? unknown],
  ]
}

/** A line of the plain text is one fact: a value must not be able to write the next one. */
function oneLine(value: string | null): string | null {
  return value?.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, ' ').trim() || null
}

function countryName(code: string | null): string | null {
  if (code === null || !/^[A-Z]{2}$/.test(code)) return null
  return new Intl.DisplayNames('en', { type: 'region', fallback: 'code' }).of(code) ?? code
}
