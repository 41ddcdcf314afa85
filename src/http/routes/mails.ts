/**
 * The pages that mails link to, one at the path of every entry of `LINKS`. GET asks and changes nothing; the page's own
 * form posts the token back, and is sent on to the page that says so: its reload posts nothing. Rules and pages are loaded with the
 * first of them: few isolates ever show one.
 */

import type { Context, MiddlewareHandler } from 'hono'

import { checkLink, followLink, type LinkRule, openLink, otherAnswer } from '../../domain/mails/follow-link.ts'
import { type LinkPurpose, LINKS, signLink } from '../../domain/mails/links.ts'
import { TesseraError } from '../../errors.ts'
import type { Refusal } from '../../pages/fields.ts'
import type { LinkPage } from '../../pages/links/link-page.ts'
import { type AppEnv, factory } from '../factory.ts'
import { pageContext } from '../answer/page-context.ts'
import { pageHeaders } from '../answer/page-headers.ts'
import { toTesseraError } from '../answer/problem.ts'
import { limitRate } from '../guards/rate-limit.ts'
import { refuseOtherPages } from '../guards/same-origin.ts'
import { readForm } from '../request/body.ts'
import { readTimedCaller } from '../request/caller.ts'

/** The parameter of the page that says that it was done. */
const DONE = 'done'

interface Loaded<Offer, Choice> {
  readonly rule: LinkRule<Offer, Choice>
  readonly page: LinkPage<Offer, Choice>
}

/** A link that has no rule, or no page, is a type error here. */
const ROUTES = {
  end_sessions: linkRoute('end_sessions', async () => ({
    rule: (await import('../../domain/mails/end-sessions.ts')).endSessions,
    page: (await import('../../pages/links/end-sessions.ts')).page,
  })),
  allow_place: linkRoute('allow_place', async () => ({
    rule: (await import('../../domain/mails/allow-place.ts')).allowPlace,
    page: (await import('../../pages/links/allow-place.ts')).page,
  })),
  confirm: linkRoute('confirm', async () => ({
    rule: (await import('../../domain/accounts/registration.ts')).confirmRegistration,
    page: (await import('../../pages/links/confirm.ts')).page,
  })),
  reset_password: linkRoute(
    'reset_password',
    async () => ({
      rule: (await import('../../domain/accounts/credentials.ts')).resetPassword,
      page: (await import('../../pages/links/reset-password.ts')).page,
    }),
    limitRate,
  ),
  confirm_email: linkRoute('confirm_email', async () => ({
    rule: (await import('../../domain/accounts/address-change.ts')).confirmAddress,
    page: (await import('../../pages/links/confirm-email.ts')).page,
  })),
  undo_email: linkRoute('undo_email', async () => ({
    rule: (await import('../../domain/accounts/address-change.ts')).undoAddress,
    page: (await import('../../pages/links/undo-email.ts')).page,
  })),
} satisfies Readonly<Record<LinkPurpose, unknown>>

export const linkRoutes = Object.values(ROUTES).reduce((app, route) => app.route('/', route), factory.createApp())

/** `guard`: what else stands before its button. */
function linkRoute<Offer, Choice>(
  purpose: LinkPurpose,
  load: () => Promise<Loaded<Offer, Choice>>,
  guard: MiddlewareHandler<AppEnv> = (_c, next) => next(),
) {
  const { path } = LINKS[purpose]
  return factory
    .createApp()
    .use(path, pageHeaders)
    .get(path, async (c) => {
      const token = c.req.query('token') ?? ''
      const loaded = await load()
      if (c.req.query(DONE) === undefined) return ask(c, loaded, token)
      // Whoever has the link could have pressed its button: nobody else can show this page to its owner.
      await checkLink(c.env, purpose, token)
      const { renderDonePage, context } = await loadPages(c)
      return c.html(renderDonePage(loaded.page, purpose, context))
    })
    .post(path, refuseOtherPages, guard, async (c) => {
      // The page is loaded before the link is used up, so that a failure to load leaves the link usable.
      const [loaded] = await Promise.all([load(), loadPages(c)])
      const { rule, page } = loaded
      const { token, choice } = await readForm(c, page.Form)
      try {
        await followLink(c.env, purpose, rule, token, choice, () => readTimedCaller(c))
        return c.redirect(`?${new URLSearchParams({ token, [DONE]: '1' }).toString()}`, 303)
      } catch (error) {
        // What a person typed was not accepted: the page asks again, and says why.
        if (!(error instanceof TesseraError && error.fields !== undefined)) throw error
        const { readRefusal } = await import('../answer/refusal.ts')
        return ask(c, loaded, token, readRefusal(c, await pageContext(c), error).fields)
      }
    })
    .onError(async (thrown, c) => {
      const error = toTesseraError(thrown, c)
      const { renderFailedPage, renderLinkTroublePage, context } = await loadPages(c)
      const { code, status } = error
      if (code === 'too_many_requests') return c.html(renderLinkTroublePage('tooMany', context), status)
      if (status >= 500) return c.html(renderLinkTroublePage('trouble', context), status)
      return c.html(renderFailedPage(code === 'token_used' ? 'used' : 'not_valid', purpose, context), status)
    })

  async function ask(
    c: Context<AppEnv>,
    { rule, page }: Loaded<Offer, Choice>,
    token: string,
    errors: Refusal['fields'] = {},
  ) {
    const { notice, offer } = await openLink(c.env, purpose, rule, token)
    const { renderAskPage, context } = await loadPages(c)
    const second = otherAnswer(c.env, purpose, notice)
    const other = second === null ? null : { purpose: second, href: await signLink(c.env, second, notice) }
    return c.html(renderAskPage(page, { purpose, token, notice, offer, other, errors }, context))
  }
}

async function loadPages(c: Context<AppEnv>) {
  const [pages, context] = await Promise.all([import('../../pages/links/link-page.ts'), pageContext(c)])
  return { ...pages, context }
}
