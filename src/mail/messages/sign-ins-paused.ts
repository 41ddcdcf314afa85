/** The mail about sign-ins that have to wait, after too many of them failed in a row. */

import type { NoticeFacts } from '../../domain/mails/notice.ts'
import type { Wording } from './layout.ts'

export function signInsPaused({ failures }: NoticeFacts<'sign_ins_paused'>): Wording {
  return {
    subject: 'Somebody is trying to guess your password',
    headline: `${failures} sign-ins to your account failed in a row`,
    explanation:
      'Nobody got in. Sign-ins from places that you have not used have to wait now, longer each time that one fails. You can go on signing in from where you usually do.',
    advice:
      'If this was you, wait a minute and try again, or choose a new password. If it was not you, there is nothing to do, unless you use the same password elsewhere. We write once, however often they try again.',
    links: [],
  }
}
