/** The page to sign in on: the pair in cookies, and on to where somebody came from. */

import type { Context } from 'hono'
import * as z from 'zod/mini'

import { BLOCKED, PAGE_PATHS } from '../../domain/page-paths.ts'
import { signInByPassword } from '../../domain/sessions/sign-in.ts'
import { renderSignIn } from '../../pages/account/sign-in.ts'
import { NOTHING_REFUSED } from '../../pages/fields.ts'
import { pageContext } from '../answer/page-context.ts'
import type { AppEnv } from '../factory.ts'
import { readTimedCaller } from '../request/caller.ts'
import { Credentials } from '../request/contract.ts'
import { writeFirstPair } from '../answer/pair.ts'
import { readAllAccessCookies } from '../request/cookies.ts'
import { requireReturnAddress } from '../request/returns.ts'
import { answerForm } from './form.ts'

const SignIn = z.extend(Credentials, { to: z.optional(z.string()) })

export async function show(c: Context<AppEnv>): Promise<Response> {
  const context = await pageContext(c)
  const to = c.req.query('to')
  if (to !== undefined) requireReturnAddress(c, to)
  const done = c.req.query('done')
  const { blocked, left, signedOut } = context.words.accountPages.news
  const told = new Map([
    [BLOCKED, blocked],
    ['left', left],
    ['signed-out', signedOut],
  ])
  const news = done === undefined ? undefined : told.get(done)
  return c.html(renderSignIn(context, { isOpen: isOpen(c), to, news, refusal: NOTHING_REFUSED }))
}

export function submit(c: Context<AppEnv>): Promise<Response> {
  return answerForm(c, {
    schema: SignIn,
    async act({ to, ...credentials }, { pathOf }) {
      const next = to === undefined ? pathOf(PAGE_PATHS.account) : requireReturnAddress(c, to)
      const caller = { ...(await readTimedCaller(c)), cookies: readAllAccessCookies(c) }
      await writeFirstPair(c, await signInByPassword(c.env, credentials, caller))
      return c.redirect(next, 303)
    },
    render: (context, refusal, { to, primary_email: email }) =>
      renderSignIn(context, { isOpen: isOpen(c), to, email, news: undefined, refusal }),
  })
}

function isOpen({ env }: Context<AppEnv>): boolean {
  return env.settings.registration === 'open'
}
