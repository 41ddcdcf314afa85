/**
 * The pages of accounts, for people: everything that their owner can do, without a script. What shows them is loaded with the first of
 * them.
 */

import type { Context } from 'hono'

import { type PageName, PAGE_PATHS } from '../../domain/page-paths.ts'
import type { TesseraError } from '../../errors.ts'
import type { Trouble } from '../../pages/account/trouble.ts'
import { pageContext } from '../answer/page-context.ts'
import { leadingPageHeaders } from '../answer/page-headers.ts'
import { toTesseraError, wantsPage } from '../answer/problem.ts'
import { type AppEnv, factory } from '../factory.ts'
import { refuseOtherPages } from '../guards/same-origin.ts'

type Handler = (c: Context<AppEnv>) => Promise<Response>

interface Page {
  readonly show: Handler
  readonly submit: Handler
}

/** Every page at its path, but for the sign-out, which only takes a button. */
const PAGES = {
  [PAGE_PATHS.sign_in]: () => import('../people/sign-in.ts'),
  [PAGE_PATHS.register]: async () => (await import('../people/ask-mail.ts')).registerPage,
  [PAGE_PATHS.resend]: async () => (await import('../people/ask-mail.ts')).resendPage,
  [PAGE_PATHS.forgot]: async () => (await import('../people/ask-mail.ts')).forgotPage,
  [PAGE_PATHS.account]: () => import('../people/account.ts'),
  [PAGE_PATHS.sessions]: () => import('../people/sessions.ts'),
  [PAGE_PATHS.password]: async () => (await import('../people/changes.ts')).passwordPage,
  [PAGE_PATHS.email]: async () => (await import('../people/changes.ts')).emailPage,
  [PAGE_PATHS.leave]: async () => (await import('../people/changes.ts')).leavePage,
} satisfies Readonly<Record<(typeof PAGE_PATHS)[PageName], () => Promise<Page>>>

/** Mails tell people which address to type: where it is mistyped, a browser gets a page as well. */
const showNotFound = factory.createMiddleware(async (c, next) => {
  await next()
  if (c.res.status !== 404 || c.error !== undefined || !wantsPage(c)) return
  const page = await showTrouble(c, 'notFound', 404)
  // Headers of the answer that a page replaces would be added to its own.
  c.res = undefined
  c.res = page
})

/** Opening a page changes nothing; its form is answered for this deployment's own pages alone. */
export const pageRoutes = Object.entries(PAGES)
  .reduce(
    (app, [path, load]) =>
      app
        .get(path, async (c) => (await load()).show(c))
        .post(path, refuseOtherPages, async (c) => (await load()).submit(c)),
    factory.createApp().use(`${PAGE_PATHS.account}/*`, leadingPageHeaders, showNotFound),
  )
  .post(PAGE_PATHS.sign_out, refuseOtherPages, async (c) => (await import('../people/account.ts')).leaveSession(c))
  .onError(async (thrown, c) => {
    const { status, code } = toTesseraError(thrown, c)
    // Only what `REGISTRATION` closes is a page and not found.
    return showTrouble(c, status >= 500 ? 'trouble' : code === 'not_found' ? 'closed' : 'refused', status)
  })

async function showTrouble(c: Context<AppEnv>, what: Trouble, status: TesseraError['status']): Promise<Response> {
  const [{ renderTrouble }, context] = await Promise.all([import('../../pages/account/trouble.ts'), pageContext(c)])
  return c.html(renderTrouble(context, what), status)
}
