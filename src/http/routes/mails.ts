/**
 * The pages that mails link to, one at the path of every entry of `LINKS`. GET asks and changes nothing; the page's own
 * form posts the token back. Rules and pages are loaded with the first of them: few isolates ever show one.
 */

import type { Context } from 'hono'

import { describeNotice } from '../../domain/mails/details.ts'
import { followLink, type LinkRule, openLink } from '../../domain/mails/follow-link.ts'
import { type LinkPurpose, LINKS } from '../../domain/mails/links.ts'
import { type FieldErrors, TesseraError } from '../../errors.ts'
import type { LinkPage } from '../../pages/link-page.ts'
import { announceLater } from '../answer/announce-later.ts'
import { type AppEnv, factory } from '../factory.ts'
import { pageHeaders } from '../answer/page-headers.ts'
import { logRefusal, toTesseraError } from '../answer/problem.ts'
import { refuseOtherPages } from '../guards/same-origin.ts'
import { readForm } from '../request/body.ts'
import { readCaller } from '../request/caller.ts'

interface Loaded<Offer, Choice, Outcome> {
  readonly rule: LinkRule<Offer, Choice, Outcome>
  readonly page: LinkPage<Offer, Choice, Outcome>
}

/** A link that has no rule, or no page, is a type error here. */
const ROUTES = {
  end_sessions: linkRoute('end_sessions', async () => ({
    rule: (await import('../../domain/mails/end-sessions.ts')).endSessions,
    page: (await import('../../pages/end-sessions.ts')).page,
  })),
  allow_place: linkRoute('allow_place', async () => ({
    rule: (await import('../../domain/mails/allow-place.ts')).allowPlace,
    page: (await import('../../pages/allow-place.ts')).page,
  })),
  confirm: linkRoute('confirm', async () => ({
    rule: (await import('../../domain/accounts/registration.ts')).confirmRegistration,
    page: (await import('../../pages/confirm.ts')).page,
  })),
  reset_password: linkRoute('reset_password', async () => ({
    rule: (await import('../../domain/accounts/credentials.ts')).resetPassword,
    page: (await import('../../pages/reset-password.ts')).page,
  })),
  confirm_email: linkRoute('confirm_email', async () => ({
    rule: (await import('../../domain/accounts/address-change.ts')).confirmAddress,
    page: (await import('../../pages/confirm-email.ts')).page,
  })),
  undo_email: linkRoute('undo_email', async () => ({
    rule: (await import('../../domain/accounts/address-change.ts')).undoAddress,
    page: (await import('../../pages/undo-email.ts')).page,
  })),
} satisfies Readonly<Record<LinkPurpose, unknown>>

export const linkRoutes = Object.values(ROUTES).reduce((app, route) => app.route('/', route), factory.createApp())

function linkRoute<Offer, Choice, Outcome>(purpose: LinkPurpose, load: () => Promise<Loaded<Offer, Choice, Outcome>>) {
  const { path } = LINKS[purpose]
  return factory
    .createApp()
    .use(path, pageHeaders)
    .get(path, async (c) => ask(c, await load(), c.req.query('token') ?? ''))
    .post(path, refuseOtherPages, async (c) => {
      // The page is loaded before the link is used up, so that a failure to load leaves the link usable.
      const [loaded, { renderDonePage }] = await Promise.all([load(), loadPages()])
      const { rule, page } = loaded
      const { token, choice } = await readForm(c, page.Form)
      try {
        const { outcome, mail } = await followLink(c.env, purpose, rule, token, choice, () => readCaller(c))
        announceLater(c, mail)
        return c.html(renderDonePage(page, outcome, c.var.nonce))
      } catch (error) {
        // What a person typed was not accepted: the page asks again, and says why.
        if (!(error instanceof TesseraError && error.fields !== undefined)) throw error
        logRefusal(error, c)
        c.status(error.status)
        return ask(c, loaded, token, error.fields)
      }
    })
    .onError(async (thrown, c) => {
      const error = toTesseraError(thrown, c)
      const { renderFailedPage } = await loadPages()
      return c.html(renderFailedPage(reasonOf(error), purpose, c.var.nonce), error.status)
    })

  async function ask(
    c: Context<AppEnv>,
    { rule, page }: Loaded<Offer, Choice, Outcome>,
    token: string,
    errors: FieldErrors = {},
  ) {
    const { notice, offer } = await openLink(c.env, purpose, rule, token)
    const { renderAskPage } = await loadPages()
    const details = describeNotice(notice.facts)
    return c.html(renderAskPage(page, { purpose, token, details, offer, errors }, c.var.nonce))
  }
}

function loadPages() {
  return import('../../pages/link-page.ts')
}

function reasonOf({ code, status }: TesseraError): 'used' | 'not_valid' | 'trouble' {
  if (status >= 500) return 'trouble'
  return code === 'token_used' ? 'used' : 'not_valid'
}
