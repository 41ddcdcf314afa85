/** The pages that change an account, each with its password: another password, another address, and the end of it. */

import type { Context } from 'hono'
import type * as z from 'zod/mini'

import type { OwnSession } from '../../domain/accounts/account.ts'
import { requestAddressChange } from '../../domain/accounts/address-change.ts'
import { changePassword, leave } from '../../domain/accounts/credentials.ts'
import { PAGE_PATHS } from '../../domain/page-paths.ts'
import { newEmailField, newPasswordField, passwordField } from '../../pages/account/fields.ts'
import { type FormPage, renderForm } from '../../pages/account/forms.ts'
import { NOTHING_REFUSED } from '../../pages/fields.ts'
import type { PageContext } from '../../pages/layout.ts'
import { pageContext } from '../answer/page-context.ts'
import type { AppEnv } from '../factory.ts'
import { ChangeEmailRequest, ChangePasswordRequest, LeaveRequest } from '../request/account-contract.ts'
import { readTimedCaller } from '../request/caller.ts'
import { clearPair } from '../request/cookies.ts'
import type { TimedCaller } from '../../domain/caller.ts'
import { answerForm, type Typed } from './form.ts'
import { AGAIN, requireVisitor } from './visitor.ts'

interface ChangePage<Schema extends z.ZodMiniType> {
  readonly name: 'password' | 'email' | 'leave'
  readonly schema: Schema
  readonly isDangerous: boolean
  readonly fields: (context: PageContext, typed: Typed) => FormPage['fields']
  readonly change: (
    c: Context<AppEnv>,
    visitor: OwnSession,
    typed: z.output<Schema>,
    caller: TimedCaller,
  ) => Promise<void>
  /** Where the page leads that says that it was done. */
  readonly next: (context: PageContext) => string
}

export const passwordPage = changePage({
  name: 'password',
  schema: ChangePasswordRequest,
  isDangerous: false,
  fields: (context) => [passwordField(context, 'current_password'), newPasswordField(context)],
  change: (c, visitor, typed, caller) => changePassword(c.env, visitor, typed, caller),
  next: ({ pathOf }) => `${pathOf(PAGE_PATHS.account)}?done=password`,
})

export const emailPage = changePage({
  name: 'email',
  schema: ChangeEmailRequest,
  isDangerous: false,
  fields: (context, typed) => [newEmailField(context, typed['new_email']), passwordField(context)],
  change: (c, visitor, typed, caller) => requestAddressChange(c.env, visitor, typed, caller),
  next: ({ pathOf }) => `${pathOf(PAGE_PATHS.account)}?done=email`,
})

export const leavePage = changePage({
  name: 'leave',
  schema: LeaveRequest,
  isDangerous: true,
  fields: (context) => [passwordField(context)],
  async change(c, visitor, { password }, caller) {
    await leave(c.env, visitor, password, caller)
    clearPair(c)
  },
  next: ({ pathOf }) => `${pathOf(PAGE_PATHS.sign_in)}?done=left`,
})

function changePage<Schema extends z.ZodMiniType>(page: ChangePage<Schema>) {
  const { name, schema, isDangerous, fields, change, next } = page
  const describe = (
    c: Context<AppEnv>,
    context: PageContext,
    refusal: FormPage['refusal'],
    typed: Typed = {},
  ): FormPage => {
    const { words, pathOf } = context
    return {
      title: words.pages[name],
      news: c.req.query(AGAIN) === undefined ? undefined : words.accountPages.news.again,
      lead: words.accountPages.lead[name],
      fields: fields(context, typed),
      submit: words.accountPages.submit[name],
      kind: isDangerous ? 'danger' : 'main',
      others: [{ href: pathOf(PAGE_PATHS.account), label: words.wayOn.account }],
      refusal,
    }
  }

  return {
    async show(c: Context<AppEnv>): Promise<Response> {
      const visitor = await requireVisitor(c)
      if (visitor instanceof Response) return visitor
      const context = await pageContext(c)
      return c.html(renderForm(context, describe(c, context, NOTHING_REFUSED)))
    },
    async submit(c: Context<AppEnv>): Promise<Response> {
      const visitor = await requireVisitor(c)
      if (visitor instanceof Response) return visitor
      return answerForm(c, {
        schema,
        async act(typed, context) {
          await change(c, visitor, typed, await readTimedCaller(c))
          return c.redirect(next(context), 303)
        },
        render: (context, refusal, typed) => renderForm(context, describe(c, context, refusal, typed)),
      })
    },
  }
}
