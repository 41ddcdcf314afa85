/** The pages of accounts, as `pages.ts` shows them. */

import { PAGE_PATHS } from '../../src/domain/page-paths.ts'
import type { ListedSession } from '../../src/domain/sessions/session.ts'
import { renderAccount } from '../../src/pages/account/account.ts'
import { emailField, newEmailField, newPasswordField, passwordField } from '../../src/pages/account/fields.ts'
import { type FormPage, renderForm, renderNext } from '../../src/pages/account/forms.ts'
import { renderSessions } from '../../src/pages/account/sessions.ts'
import { renderTrouble } from '../../src/pages/account/trouble.ts'
import { NOTHING_REFUSED, type Refusal } from '../../src/pages/fields.ts'
import type { Html, PageContext } from '../../src/pages/layout.ts'
import { linkButton } from '../../src/pages/parts.ts'

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
  visit: null,
}

const AWAY: ListedSession = {
  ...HOME,
  sid: 'two',
  address: '2001:db8:4a7:1c00:94e1:6bff:fe02:77d1',
  country: 'NZ',
  city: 'Wellington',
  userAgent: null,
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

/** Forms, whose fields and words are those of their routes. */
const FORMS: Readonly<
  Record<string, (context: PageContext) => Pick<FormPage, 'title' | 'fields' | 'submit' | 'kind'>>
> = {
  'sign-in': (context) => ({
    title: context.words.pages.sign_in,
    fields: [emailField(context), passwordField(context)],
    submit: context.words.accountPages.submit.signIn,
  }),
  register: (context) => ({
    title: context.words.pages.register,
    fields: [emailField(context), newPasswordField(context, 'password')],
    submit: context.words.accountPages.submit.register,
  }),
  resend: (context) => ({
    title: context.words.pages.resend,
    fields: [emailField(context)],
    submit: context.words.accountPages.submit.resend,
  }),
  forgot: (context) => ({
    title: context.words.pages.forgot,
    fields: [emailField(context)],
    submit: context.words.accountPages.submit.forgot,
  }),
  password: (context) => ({
    title: context.words.pages.password,
    fields: [passwordField(context, 'current_password'), newPasswordField(context)],
    submit: context.words.accountPages.submit.password,
  }),
  email: (context) => ({
    title: context.words.pages.email,
    fields: [newEmailField(context), passwordField(context)],
    submit: context.words.accountPages.submit.email,
  }),
  leave: (context) => ({
    title: context.words.pages.leave,
    fields: [passwordField(context)],
    submit: context.words.accountPages.submit.leave,
    kind: 'danger',
  }),
}

export const ACCOUNT_PAGES: Readonly<Record<string, Render>> = {
  ...Object.fromEntries(Object.keys(FORMS).map((name) => [`account-${name}`, form(name, () => NOTHING_REFUSED)])),
  'account-sign-in-refused': form('sign-in', ({ words }) => ({
    fields: {},
    form: words.accountPages.problems.noAccount,
  })),
  'account-register-refused': form('register', ({ words }) => ({
    fields: { primary_email: words.accountPages.problems.noEmail, password: words.accountPages.rules.common() },
    form: null,
  })),
  'account-sent': (context) =>
    renderNext(context, {
      ...context.words.accountPages.sent.register,
      links: [linkButton('#', context.words.pages.sign_in), linkButton('#', context.words.pages.resend, 'other')],
    }),
  'account-home': (context) => renderAccount(context, { email: EMAIL, news: context.words.accountPages.news.password }),
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
  'account-not-found': (context) => renderTrouble(context, 'notFound'),
}

function form(name: string, refusalOf: (context: PageContext) => Refusal): Render {
  return (context) => {
    const { words, pathOf } = context
    const page = FORMS[name]?.(context)
    if (page === undefined) throw new Error(`no form ${name}`)
    const lead = Object.entries(words.accountPages.lead).find(([key]) => key === name)?.[1] ?? []
    const others = [{ href: pathOf(PAGE_PATHS.forgot), label: words.pages.forgot }]
    return renderForm(context, { ...page, lead, others, refusal: refusalOf(context) })
  }
}
