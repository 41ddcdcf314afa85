/** The pages that ask for a mail: to sign up, to get that mail again, and to choose a new password. */

import type { Context } from 'hono'
import type * as z from 'zod/mini'

import { forgotPassword } from '../../domain/accounts/credentials.ts'
import { register, resendConfirmation } from '../../domain/accounts/registration.ts'
import { type PageName, PAGE_PATHS } from '../../domain/page-paths.ts'
import { TesseraError } from '../../errors.ts'
import { emailField, newPasswordField } from '../../pages/account/fields.ts'
import { type FormPage, renderForm, renderNext } from '../../pages/account/forms.ts'
import { NOTHING_REFUSED } from '../../pages/fields.ts'
import type { PageContext } from '../../pages/layout.ts'
import { linkButton } from '../../pages/parts.ts'
import { pageContext } from '../answer/page-context.ts'
import type { AppEnv } from '../factory.ts'
import { EmailRequest, RegisterRequest } from '../request/account-contract.ts'
import { readTimedCaller } from '../request/caller.ts'
import { readTimeZone } from '../request/language.ts'
import { answerForm, type Typed } from './form.ts'

interface MailPage<Schema extends z.ZodMiniType> {
  readonly name: 'register' | 'resend' | 'forgot'
  readonly schema: Schema
  readonly fields: (context: PageContext, typed: Typed) => FormPage['fields']
  readonly ask: (c: Context<AppEnv>, typed: z.output<Schema>, context: PageContext) => Promise<void>
  /** Where else somebody may want to go: from the form, and from the page that says that the mail is on its way. */
  readonly others: readonly PageName[]
  readonly next: readonly PageName[]
}

export const registerPage = mailPage({
  name: 'register',
  schema: RegisterRequest,
  fields: (context, typed) => [emailField(context, typed['primary_email']), newPasswordField(context, 'password')],
  ask: async (c, request, { language }) =>
    register(c.env, request, { ...(await readTimedCaller(c)), language, timeZone: readTimeZone(c) }),
  others: ['sign_in', 'resend'],
  next: ['sign_in', 'resend'],
})

export const resendPage = mailPage({
  name: 'resend',
  schema: EmailRequest,
  fields: (context, typed) => [emailField(context, typed['primary_email'])],
  ask: async (c, { primary_email }) => resendConfirmation(c.env, primary_email, await readTimedCaller(c)),
  others: ['register'],
  next: ['sign_in'],
})

export const forgotPage = mailPage({
  name: 'forgot',
  schema: EmailRequest,
  fields: (context, typed) => [emailField(context, typed['primary_email'])],
  ask: async (c, { primary_email }) => forgotPassword(c.env, primary_email, await readTimedCaller(c)),
  others: ['sign_in'],
  next: ['sign_in'],
})

function mailPage<Schema extends z.ZodMiniType>({ name, schema, fields, ask, others, next }: MailPage<Schema>) {
  const describe = (context: PageContext, refusal: FormPage['refusal'], typed: Typed = {}): FormPage => ({
    title: context.words.pages[name],
    lead: context.words.accountPages.lead[name],
    fields: fields(context, typed),
    submit: context.words.accountPages.submit[name],
    others: others.map((other) => ({ href: context.pathOf(PAGE_PATHS[other]), label: context.words.pages[other] })),
    refusal,
  })

  return {
    async show(c: Context<AppEnv>): Promise<Response> {
      requireOffered(c, name)
      const context = await pageContext(c)
      if (c.req.query('done') === undefined) return c.html(renderForm(context, describe(context, NOTHING_REFUSED)))
      const { words, pathOf } = context
      const links = next.map((page, i) =>
        linkButton(pathOf(PAGE_PATHS[page]), words.pages[page], i === 0 ? 'main' : 'other'),
      )
      return c.html(renderNext(context, { ...words.accountPages.sent[name], links }))
    },
    submit: (c: Context<AppEnv>): Promise<Response> => {
      requireOffered(c, name)
      return answerForm(c, {
        schema,
        async act(typed, context) {
          await ask(c, typed, context)
          return c.redirect('?done=1', 303)
        },
        render: (context, refusal, typed) => renderForm(context, describe(context, refusal, typed)),
      })
    },
  }
}

/** Where nobody may register, there is no page for it. */
function requireOffered(c: Context<AppEnv>, name: MailPage<never>['name']): void {
  if (name !== 'forgot' && c.env.settings.registration !== 'open') throw new TesseraError('not_found')
}
