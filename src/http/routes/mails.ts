/**
 * The pages that mails link to, one at the path of every entry of `LINKS`. GET asks and changes nothing; the page's own
 * form posts the token back. What renders them is loaded with the first of them: few isolates ever show one.
 */

import { allowPlace } from '../../domain/mails/allow-place.ts'
import { describeNotice } from '../../domain/mails/details.ts'
import { endSessions } from '../../domain/mails/end-sessions.ts'
import { followLink, type LinkRule, openLink } from '../../domain/mails/follow-link.ts'
import { type LinkPurpose, LINKS } from '../../domain/mails/links.ts'
import type { TesseraError } from '../../errors.ts'
import type { LinkPage } from '../../pages/link-page.ts'
import { factory } from '../factory.ts'
import { pageHeaders } from '../answer/page-headers.ts'
import { toTesseraError } from '../answer/problem.ts'
import { refuseOtherPages } from '../guards/same-origin.ts'
import { readForm } from '../request/body.ts'

/** A link that has no rule, or no page, is a type error here. */
const ROUTES = {
  end_sessions: linkRoute('end_sessions', endSessions, () => import('../../pages/end-sessions.ts')),
  allow_place: linkRoute('allow_place', allowPlace, () => import('../../pages/allow-place.ts')),
} satisfies Readonly<Record<LinkPurpose, unknown>>

export const linkRoutes = Object.values(ROUTES).reduce((app, route) => app.route('/', route), factory.createApp())

function linkRoute<Offer, Choice, Outcome>(
  purpose: LinkPurpose,
  rule: LinkRule<Offer, Choice, Outcome>,
  loadPage: () => Promise<{ readonly page: LinkPage<Offer, Choice, Outcome> }>,
) {
  const { path } = LINKS[purpose]
  return factory
    .createApp()
    .use(path, pageHeaders)
    .get(path, async (c) => {
      const token = c.req.query('token') ?? ''
      const { notice, offer } = await openLink(c.env, purpose, rule, token)
      const [{ page }, { renderAskPage }] = await Promise.all([loadPage(), loadPages()])
      const details = describeNotice(notice.facts)
      return c.html(renderAskPage(page, { purpose, token, details, offer }, c.var.nonce))
    })
    .post(path, refuseOtherPages, async (c) => {
      // The page is loaded before the link is used up, so that a failure to load leaves the link usable.
      const [{ page }, { renderDonePage }] = await Promise.all([loadPage(), loadPages()])
      const { token, choice } = await readForm(c, page.Form)
      const outcome = await followLink(c.env, purpose, rule, token, choice)
      return c.html(renderDonePage(page, outcome, c.var.nonce))
    })
    .onError(async (thrown, c) => {
      const error = toTesseraError(thrown, c)
      const { renderFailedPage } = await loadPages()
      return c.html(renderFailedPage(reasonOf(error), purpose, c.var.nonce), error.status)
    })
}

function loadPages() {
  return import('../../pages/link-page.ts')
}

function reasonOf({ code, status }: TesseraError): 'used' | 'not_valid' | 'trouble' {
  if (status >= 500) return 'trouble'
  return code === 'token_used' ? 'used' : 'not_valid'
}
