/** The page of an account, and its sign-out. */

import type { Context } from 'hono'

import { DEFAULT_LANGUAGE, isLanguage } from '../../domain/language.ts'
import { PAGE_PATHS } from '../../domain/page-paths.ts'
import { signOut } from '../../domain/sessions/end.ts'
import { TesseraError } from '../../errors.ts'
import { renderAccount } from '../../pages/account/account.ts'
import { pageContext } from '../answer/page-context.ts'
import type { AppEnv } from '../factory.ts'
import { readForm } from '../request/body.ts'
import { clearPair, readAllAccessCookies } from '../request/cookies.ts'
import { readTimeZone } from '../request/language.ts'
import { FormFields } from './form.ts'
import { forVisitor } from './visitor.ts'

export const show = forVisitor(async (c, visitor) => {
  const context = await pageContext(c)
  const { news } = context.words.accountPages
  const done = c.req.query('done')
  const told = { password: news.password, email: news.email, language: news.language }
  const isTold = (text: string | undefined): text is keyof typeof told =>
    text !== undefined && Object.hasOwn(told, text)
  const { id, email } = visitor.account
  const language = await (await c.env.accountChanges()).language(id)
  return c.html(
    renderAccount(context, {
      email,
      // What its mails are written in, until one is chosen.
      language: isLanguage(language) ? language : DEFAULT_LANGUAGE,
      news: isTold(done) ? told[done] : undefined,
    }),
  )
})

/** Its one form chooses the language of mails, and notes the time zone that they are written in. */
export const submit = forVisitor(async (c, visitor) => {
  const { language = '' } = await readForm(c, FormFields)
  if (!isLanguage(language)) throw new TesseraError('wrong_data_structure')
  const changes = await c.env.accountChanges()
  await changes.setLanguage(visitor.account.id, { language, timeZone: readTimeZone(c), now: c.env.now() })
  return c.redirect('?done=language', 303)
})

export async function leaveSession(c: Context<AppEnv>): Promise<Response> {
  const { pathOf } = await pageContext(c)
  await signOut(c.env, readAllAccessCookies(c))
  clearPair(c)
  return c.redirect(`${pathOf(PAGE_PATHS.sign_in)}?done=signed-out`, 303)
}
