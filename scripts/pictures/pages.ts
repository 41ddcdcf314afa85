/** Every page that people see, as a picture has it. A page of your own joins by a line of this table. */

import { DEFAULT_LANGUAGE, type Language } from '../../src/domain/language.ts'
import { offerPlaces } from '../../src/domain/mails/offered-places.ts'
import type { LinkPurpose } from '../../src/domain/mails/links.ts'
import type { StoredNotice } from '../../src/domain/mails/notice.ts'
import type { Html, PageContext } from '../../src/pages/layout.ts'
import { page as allowPlace } from '../../src/pages/links/allow-place.ts'
import { page as confirmEmail } from '../../src/pages/links/confirm-email.ts'
import { page as confirm } from '../../src/pages/links/confirm.ts'
import { page as endSessions } from '../../src/pages/links/end-sessions.ts'
import {
  type LinkPage,
  renderAskPage,
  renderDonePage,
  renderFailedPage,
  renderLinkTroublePage,
} from '../../src/pages/links/link-page.ts'
import { page as resetPassword } from '../../src/pages/links/reset-password.ts'
import { page as undoEmail } from '../../src/pages/links/undo-email.ts'
import {
  renderLoopPage,
  renderSignInLoopPage,
  renderTroublePage,
  renderWaitPage,
} from '../../src/pages/return-pages.ts'
import { renderAddressPage, renderSetupPage } from '../../src/pages/setup-page.ts'
import { loadWords } from '../../src/words/load.ts'
import { ACCOUNT_PAGES } from './account-pages.ts'
import { BRAND } from './brand.ts'
import { exampleOf } from './mails.ts'

const BLOCKED = exampleOf('location_blocked')
const places = BLOCKED.kind === 'location_blocked' ? offerPlaces('address', BLOCKED.facts) : null
if (places === null) throw new Error('the example has no place')
const PLACES = { policy: 'address', ...places } as const

/** By its name, what renders it. */
export const PAGES: Readonly<Record<string, (context: PageContext) => Html>> = {
  'link-end-sessions': ask('end_sessions', endSessions, BLOCKED, null),
  'link-allow-place': ask('allow_place', allowPlace, BLOCKED, PLACES),
  'link-confirm': ask('confirm', confirm, exampleOf('confirm_address'), null),
  'link-reset-password': ask('reset_password', resetPassword, exampleOf('reset_password'), null),
  'link-reset-password-refused': (context) =>
    ask('reset_password', resetPassword, exampleOf('reset_password'), null, {
      new_password: context.words.accountPages.rules.too_short(context.passwordMinLength),
    })(context),
  'link-confirm-email': ask('confirm_email', confirmEmail, exampleOf('confirm_email'), null),
  'link-undo-email': ask('undo_email', undoEmail, exampleOf('email_changed'), null),
  'done-end-sessions': (context) => renderDonePage(endSessions, 'end_sessions', context),
  'done-allow-place': (context) => renderDonePage(allowPlace, 'allow_place', context),
  'done-confirm': (context) => renderDonePage(confirm, 'confirm', context),
  'done-reset-password': (context) => renderDonePage(resetPassword, 'reset_password', context),
  'done-confirm-email': (context) => renderDonePage(confirmEmail, 'confirm_email', context),
  'done-undo-email': (context) => renderDonePage(undoEmail, 'undo_email', context),
  'failed-used': (context) => renderFailedPage('used', 'end_sessions', context),
  'failed-used-confirm': (context) => renderFailedPage('used', 'confirm', context),
  'failed-used-reset-password': (context) => renderFailedPage('used', 'reset_password', context),
  'failed-not-valid': (context) => renderFailedPage('not_valid', 'undo_email', context),
  'failed-not-valid-confirm-email': (context) => renderFailedPage('not_valid', 'confirm_email', context),
  'failed-too-many': (context) => renderLinkTroublePage('tooMany', context),
  'failed-trouble': (context) => renderLinkTroublePage('trouble', context),
  ...ACCOUNT_PAGES,
  'return-wait': (context) => renderWaitPage({ seconds: 3600, href: '#' }, context),
  'return-trouble': (context) => renderTroublePage('#', context),
  'return-loop': (context) => renderLoopPage('#', { own: 'auth.example.com', other: 'app.example.com' }, context),
  'return-sign-in-loop': renderSignInLoopPage,
  'setup-secrets': ({ nonce }) => renderSetupPage(['AUTH_SECRET', 'SERVICE_KEY'], nonce),
  'setup-address': ({ nonce }) => renderAddressPage(nonce),
}

/** What whoever deploys reads is in one language. */
export function languagesOf(name: string): readonly Language[] {
  return name.startsWith('setup-') ? [DEFAULT_LANGUAGE] : ['en', 'ru']
}

/** A page whole, in a language. */
export async function renderExample(name: string, language: Language, brand = BRAND): Promise<string> {
  const words = await loadWords(language)
  const context = {
    language,
    words,
    brand,
    nonce: 'example',
    passwordMinLength: 15,
    pathOf: (path: string) => path,
  }
  return String(await PAGES[name]?.(context))
}

function ask<Offer>(
  purpose: LinkPurpose,
  page: Pick<LinkPage<Offer, never>, 'isDangerous' | 'fields'>,
  notice: StoredNotice,
  offer: Offer,
  errors: Readonly<Record<string, string>> = {},
): (context: PageContext) => Html {
  const other =
    purpose === 'allow_place'
      ? ({ purpose: 'end_sessions', href: '#' } as const)
      : purpose === 'end_sessions'
        ? ({ purpose: 'allow_place', href: '#' } as const)
        : null
  return (context) =>
    renderAskPage(page, { purpose, token: 'example', notice: { ...notice, guid: null }, offer, other, errors }, context)
}
