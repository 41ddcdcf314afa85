/** The mail about a refresh token that was presented again after it had been replaced. */

import { describeLifetime } from '../../domain/mails/links.ts'
import type { Wording } from './layout.ts'

export function tokenReused(): Wording {
  return {
    subject: 'We ended a session that was used twice',
    headline: 'A session of yours was used twice',
    explanation:
      'A key of your session that had been replaced already was presented again. That happens when somebody has a copy of it. That session has ended; your other sessions are not affected.',
    advice: `Sign in again. If you do not recognize the device above, end all your sessions and change your password. The link works once, for ${describeLifetime('end_sessions')}.`,
    links: ['end_sessions'],
  }
}
