/** The page to sign in on. */

import { type PageName, PAGE_PATHS } from '../../domain/page-paths.ts'
import type { Html, PageContext } from '../layout.ts'
import { emailField, passwordField } from './fields.ts'
import { type FormPage, renderForm } from './forms.ts'

interface SignInPage extends Pick<FormPage, 'news' | 'refusal'> {
  /** Whether anybody may sign up. */
  readonly isOpen: boolean
  /** Where somebody came from, and goes on to. */
  readonly to: string | undefined
  readonly email?: string | undefined
}

export function renderSignIn(context: PageContext, { isOpen, to, email, news, refusal }: SignInPage): Html {
  const { words, pathOf } = context
  // Somebody who has just signed up may not have confirmed the address yet.
  const names: readonly PageName[] = ['forgot', ...more(isOpen, refusal.form !== null)]
  return renderForm(context, {
    title: words.pages.sign_in,
    news,
    fields: [emailField(context, email), passwordField(context)],
    hidden: to === undefined ? {} : { to },
    submit: words.accountPages.submit.signIn,
    others: names.map((name) => ({ href: pathOf(PAGE_PATHS[name]), label: words.pages[name] })),
    refusal,
  })
}

function more(isOpen: boolean, isRefused: boolean): readonly PageName[] {
  if (!isOpen) return []
  return isRefused ? ['register', 'resend'] : ['register']
}
