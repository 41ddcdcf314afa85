/** The mail about a sign-in from a new place, or after others failed. */

import { describeLifetime } from '../../domain/mails/links.ts'
import type { NoticeFacts } from '../../domain/mails/notice.ts'
import type { Wording } from './layout.ts'

export function newSignIn({ isNewPlace, failures }: NoticeFacts<'new_sign_in'>): Wording {
  const place = isNewPlace ? 'It came from a place that you have not signed in from for 90 days, or ever.' : ''
  const tries = failures === 1 ? 'One try failed before it.' : `${failures} tries failed before it.`
  return {
    subject: isNewPlace ? 'A sign-in from a new place' : 'A sign-in after others had failed',
    headline: 'Somebody signed in to your account with your password',
    explanation: [place, failures === 0 ? '' : tries].filter((sentence) => sentence !== '').join(' '),
    advice: `If this was you, there is nothing to do. If it was not you, end all your sessions and change your password. The link works once, for ${describeLifetime('end_sessions')}.`,
    links: ['end_sessions'],
  }
}
