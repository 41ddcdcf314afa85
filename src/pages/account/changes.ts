/** The pages that change an account, each with its password: another password, another address, and the end of it. */

import { PAGE_PATHS } from '../../domain/page-paths.ts'
import type { Html, PageContext } from '../layout.ts'
import { newEmailField, newPasswordField, passwordField } from './fields.ts'
import { type FormPage, renderForm, type Typed } from './forms.ts'

type FieldsOf = (context: PageContext, typed: Typed) => FormPage['fields']

const FIELDS = {
  password: (context) => [passwordField(context, 'current_password'), newPasswordField(context)],
  email: (context, typed) => [newEmailField(context, typed['new_email']), passwordField(context)],
  leave: (context) => [passwordField(context)],
} as const satisfies Readonly<Record<string, FieldsOf>>

export type ChangePageName = keyof typeof FIELDS

interface ChangePage extends Pick<FormPage, 'refusal'> {
  readonly owner: string | null
  readonly typed?: Typed
  /** Whether the form has to be filled in once more, since the session was renewed meanwhile. */
  readonly isAgain: boolean
}

export function renderChange(context: PageContext, name: ChangePageName, page: ChangePage): Html {
  const { words, pathOf } = context
  const { lead, news, submit } = words.accountPages
  const { owner, typed = {}, isAgain, refusal } = page
  return renderForm(context, {
    title: words.pages[name],
    news: isAgain ? news.again : undefined,
    lead: lead[name],
    owner,
    fields: FIELDS[name](context, typed),
    submit: submit[name],
    kind: name === 'leave' ? 'danger' : 'main',
    others: [{ href: pathOf(PAGE_PATHS.account), label: words.wayOn.account }],
    refusal,
  })
}
