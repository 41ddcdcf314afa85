/** The page to sign in on: the pair in cookies, and on to where somebody came from. */

import type { Context } from 'hono'
import * as z from 'zod/mini'

import { PAGE_PATHS } from '../../domain/page-paths.ts'
import { signInByPassword } from '../../domain/sessions/sign-in.ts'
import { emailField, passwordField } from '../../pages/account/fields.ts'
import { type FormPage, renderForm } from '../../pages/account/forms.ts'
import { NOTHING_REFUSED } from '../../pages/fields.ts'
import type { PageContext } from '../../pages/layout.ts'
import { pageContext } from '../answer/page-context.ts'
import type { AppEnv } from '../factory.ts'
import { readTimedCaller } from '../request/caller.ts'
import { Credentials } from '../request/contract.ts'
import { readAllAccessCookies, writePair } from '../request/cookies.ts'
import { requireReturnAddress } from '../request/returns.ts'
import { answerForm } from './form.ts'

const SignIn = z.extend(Credentials, { to: z.optional(z.string()) })

export async function show(c: Context<AppEnv>): Promise<Response> {
  const context = await pageContext(c)
  const to = c.req.query('to')
  if (to !== undefined) requireReturnAddress(c, to)
  const done = c.req.query('done')
  const { news } = context.words.accountPages
  const told = done === 'left' ? news.left : done === 'signed-out' ? news.signedOut : undefined
  return c.html(renderForm(context, describe(c, context, { to, news: told, refusal: NOTHING_REFUSED })))
}

export function submit(c: Context<AppEnv>): Promise<Response> {
  return answerForm(c, {
    schema: SignIn,
    async act({ to, ...credentials }, { pathOf }) {
      const next = to === undefined ? pathOf(PAGE_PATHS.account) : requireReturnAddress(c, to)
      const caller = { ...(await readTimedCaller(c)), cookies: readAllAccessCookies(c) }
      writePair(c, await signInByPassword(c.env, credentials, caller))
      return c.redirect(next, 303)
    },
    render: (context, refusal, { to, primary_email: email }) =>
      renderForm(context, describe(c, context, { to, email, refusal })),
  })
}

interface Shown extends Pick<FormPage, 'refusal'> {
  readonly to: string | undefined
  readonly email?: string | undefined
  readonly news?: string | undefined
}

function describe(c: Context<AppEnv>, context: PageContext, { to, email, news, refusal }: Shown): FormPage {
  const { words, pathOf } = context
  const names = c.env.settings.registration === 'open' ? (['forgot', 'register'] as const) : (['forgot'] as const)
  return {
    title: words.pages.sign_in,
    news,
    fields: [emailField(context, email), passwordField(context)],
    hidden: to === undefined ? {} : { to },
    submit: words.accountPages.submit.signIn,
    others: names.map((name) => ({ href: pathOf(PAGE_PATHS[name]), label: words.pages[name] })),
    refusal,
  }
}
