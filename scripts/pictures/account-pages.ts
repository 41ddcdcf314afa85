/** The pages of accounts, as `pages.ts` shows them. */

import type { ListedSession } from '../../src/domain/sessions/session.ts'
import { renderAccount } from '../../src/pages/account/account.ts'
import { renderAskMail, renderMailAsked } from '../../src/pages/account/ask-mail.ts'
import { renderChange } from '../../src/pages/account/changes.ts'
import { renderSessions } from '../../src/pages/account/sessions.ts'
import { renderSignIn } from '../../src/pages/account/sign-in.ts'
import { renderTrouble } from '../../src/pages/account/trouble.ts'
import { NOTHING_REFUSED } from '../../src/pages/fields.ts'
import type { Html, PageContext } from '../../src/pages/layout.ts'

type Render = (context: PageContext) => Html

const AT = 1_800_000_000
const EMAIL = 'anna.petrova@example.com'

const HOME: ListedSession = {
  sid: 'one',
  createdAt: AT - 900_000,
  issuedAt: AT,
  expiresAt: AT + 864_000,
  address: '203.0.113.7',
  country: 'IS',
  city: 'Reykjavík',
  provider: 'Example Net',
  userAgent: 'Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) Version/18.6 Mobile/15E148 Safari/604.1',
  boundBy: 'dpop',
  visit: null,
}

const AWAY: ListedSession = {
  ...HOME,
  sid: 'two',
  address: '2001:db8:4a7:1c00:94e1:6bff:fe02:77d1',
  country: 'NZ',
  city: 'Wellington',
  userAgent: null,
  boundBy: null,
}

const PLACE = {
  id: 1,
  place: 'address:198.51.100.23/32',
  country: 'NZ',
  city: 'Wellington',
  provider: 'Example Broadband',
  createdAt: AT,
  expiresAt: AT + 7_776_000,
}

const SIGN_IN = { isOpen: true, to: undefined, news: undefined } as const

export const ACCOUNT_PAGES: Readonly<Record<string, Render>> = {
  'account-sign-in': (context) => renderSignIn(context, { ...SIGN_IN, refusal: NOTHING_REFUSED }),
  'account-sign-in-refused': (context) =>
    renderSignIn(context, {
      ...SIGN_IN,
      email: EMAIL,
      refusal: { fields: {}, form: context.words.accountPages.problems.noAccount },
    }),
  'account-sign-in-blocked': (context) =>
    renderSignIn(context, { ...SIGN_IN, news: context.words.accountPages.news.blocked, refusal: NOTHING_REFUSED }),
  'account-register': (context) => renderAskMail(context, 'register', NOTHING_REFUSED),
  'account-register-refused': (context) => {
    const { problems, rules } = context.words.accountPages
    const fields = { primary_email: problems.noEmail, password: rules.common() }
    return renderAskMail(context, 'register', { fields, form: null }, { primary_email: 'anna.petrova' })
  },
  'account-registered': (context) => renderMailAsked(context, 'register'),
  'account-resend': (context) => renderAskMail(context, 'resend', NOTHING_REFUSED),
  'account-resent': (context) => renderMailAsked(context, 'resend'),
  'account-forgot': (context) => renderAskMail(context, 'forgot', NOTHING_REFUSED),
  'account-forgot-asked': (context) => renderMailAsked(context, 'forgot'),
  'account-home': (context) => renderAccount(context, { email: EMAIL, language: context.language, news: undefined }),
  'account-home-done': (context) =>
    renderAccount(context, { email: EMAIL, language: 'ru', news: context.words.accountPages.news.language }),
  'account-password': (context) =>
    renderChange(context, 'password', { owner: EMAIL, isAgain: false, refusal: NOTHING_REFUSED }),
  'account-password-again': (context) =>
    renderChange(context, 'password', { owner: EMAIL, isAgain: true, refusal: NOTHING_REFUSED }),
  'account-email': (context) =>
    renderChange(context, 'email', { owner: EMAIL, isAgain: false, refusal: NOTHING_REFUSED }),
  'account-leave': (context) =>
    renderChange(context, 'leave', { owner: EMAIL, isAgain: false, refusal: NOTHING_REFUSED }),
  'account-sessions': (context) =>
    renderSessions(context, {
      sessions: [HOME, AWAY],
      currentSid: HOME.sid,
      places: [PLACE],
      timeZone: context.language === 'ru' ? 'Europe/Moscow' : null,
      news: undefined,
    }),
  'account-sessions-alone': (context) =>
    renderSessions(context, { sessions: [HOME], currentSid: HOME.sid, places: [], timeZone: null, news: undefined }),
  'account-trouble': (context) => renderTrouble(context, 'trouble'),
  'account-refused': (context) => renderTrouble(context, 'refused'),
  'account-closed': (context) => renderTrouble(context, 'closed'),
  'account-not-found': (context) => renderTrouble(context, 'notFound'),
}
