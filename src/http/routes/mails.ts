/**
 * The pages that mails link to. GET asks and changes nothing; the page's own form posts the token back. What renders
 * them is loaded with the first of them: few isolates ever show one.
 *
 * - GET, POST /links/end-sessions
 * - GET, POST /links/allow-place
 */

import { allowPlaceByLink, endSessionsByLink, openLink } from '../../domain/mails/follow-link.ts'
import { LINK_PATHS } from '../../domain/mails/links.ts'
import { describeNotice } from '../../domain/mails/details.ts'
import type { LinkPurpose } from '../../domain/tokens/claims.ts'
import type { TesseraError } from '../../errors.ts'
import { readForm } from '../request/body.ts'
import { LinkRequest } from '../request/contract.ts'
import { factory } from '../factory.ts'
import { refuseCrossOrigin } from '../guards/same-origin.ts'
import { pageHeaders } from '../answer/page-headers.ts'
import { toTesseraError } from '../answer/problem.ts'

export const linkRoutes = factory.createApp().route('/', linkRoute('end_sessions')).route('/', linkRoute('allow_place'))

function linkRoute(purpose: LinkPurpose) {
  const path = LINK_PATHS[purpose]
  return factory
    .createApp()
    .use(path, pageHeaders)
    .get(path, async (c) => {
      const token = c.req.query('token') ?? ''
      const { facts, places } = await openLink(c.env, purpose, token)
      const { renderAskPage } = await loadPages()
      const details = describeNotice(facts)
      const policy = c.env.settings.locationPolicy
      return c.html(renderAskPage({ purpose, token, details, policy, places, nonce: c.get('secureHeadersNonce') }))
    })
    .post(path, refuseCrossOrigin, async (c) => {
      const { token, policy, former } = await readForm(c, LinkRequest)
      // The page is loaded before the link is used up, so that a failure to load leaves the link usable.
      const { renderDonePage } = await loadPages()
      const nonce = c.get('secureHeadersNonce')
      if (purpose === 'end_sessions') {
        await endSessionsByLink(c.env, token)
        return c.html(renderDonePage({ purpose, places: [], nonce }))
      }
      const places = await allowPlaceByLink(c.env, token, { policy, isFormerToo: former !== undefined })
      return c.html(renderDonePage({ purpose, places, nonce }))
    })
    .onError(async (thrown, c) => {
      const error = toTesseraError(thrown, c)
      const { renderFailedPage } = await loadPages()
      return c.html(renderFailedPage({ reason: reasonOf(error), nonce: c.get('secureHeadersNonce') }), error.status)
    })
}

function loadPages() {
  return import('../../pages/link-page.tsx')
}

function reasonOf({ code, status }: TesseraError): 'used' | 'not_valid' | 'trouble' {
  if (status >= 500) return 'trouble'
  return code === 'token_used' ? 'used' : 'not_valid'
}
