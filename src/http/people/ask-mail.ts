/** The pages that ask for a mail: to sign up, to get that mail again, and to choose a new password. */

import type { Context } from 'hono'
import type * as z from 'zod/mini'

import { forgotPassword } from '../../domain/accounts/credentials.ts'
import { register, resendConfirmation } from '../../domain/accounts/registration.ts'
import { TesseraError } from '../../errors.ts'
import { type MailPageName, renderAskMail, renderMailAsked } from '../../pages/account/ask-mail.ts'
import { NOTHING_REFUSED } from '../../pages/fields.ts'
import type { PageContext } from '../../pages/layout.ts'
import { pageContext } from '../answer/page-context.ts'
import type { AppEnv } from '../factory.ts'
import { EmailRequest, RegisterRequest } from '../request/account-contract.ts'
import { readTimedCaller } from '../request/caller.ts'
import { readTimeZone } from '../request/language.ts'
import { answerForm } from './form.ts'

export const registerPage = mailPage('register', RegisterRequest, async (c, request, { language }) =>
  register(c.env, request, { ...(await readTimedCaller(c)), language, timeZone: readTimeZone(c) }),
)

export const resendPage = mailPage('resend', EmailRequest, async (c, { primary_email }) =>
  resendConfirmation(c.env, primary_email, await readTimedCaller(c)),
)

export const forgotPage = mailPage('forgot', EmailRequest, async (c, { primary_email }) =>
  forgotPassword(c.env, primary_email, await readTimedCaller(c)),
)

function mailPage<Schema extends z.ZodMiniType>(
  name: MailPageName,
  schema: Schema,
  ask: (c: Context<AppEnv>, typed: z.output<Schema>, context: PageContext) => Promise<void>,
) {
  return {
    async show(c: Context<AppEnv>): Promise<Response> {
      requireOffered(c, name)
      const context = await pageContext(c)
      const isAsked = c.req.query('done') !== undefined
      return c.html(isAsked ? renderMailAsked(context, name) : renderAskMail(context, name, NOTHING_REFUSED))
    },
    async submit(c: Context<AppEnv>): Promise<Response> {
      requireOffered(c, name)
      return answerForm(c, {
        schema,
        async act(typed, context) {
          await ask(c, typed, context)
          return c.redirect('?done=1', 303)
        },
        render: (context, refusal, typed) => renderAskMail(context, name, refusal, typed),
      })
    },
  }
}

/** Where nobody may register, there is no page for it. */
function requireOffered(c: Context<AppEnv>, name: MailPageName): void {
  if (name !== 'forgot' && c.env.settings.registration !== 'open') throw new TesseraError('not_found')
}
