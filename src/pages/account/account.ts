/** The page of an account: whose it is, and what can be done with it. */

import { html } from 'hono/html'

import { type Language, LANGUAGES } from '../../domain/language.ts'
import { PAGE_PATHS } from '../../domain/page-paths.ts'
import { type Html, type PageContext, renderPage } from '../layout.ts'
import { button, buttonForm, buttons, choice, notice, wayOn } from '../parts.ts'

interface AccountPage {
  readonly email: string | null
  /** Of its mails. */
  readonly language: Language
  /** What was just done. */
  readonly news: string | undefined
}

export function renderAccount(context: PageContext, { email, language: chosen, news }: AccountPage): Html {
  const { words, pathOf } = context
  const { home } = words.accountPages
  const links = (['sessions', 'password', 'email', 'leave'] as const).map(
    (name) => html`<li><a href="${pathOf(PAGE_PATHS[name])}">${words.pages[name]}</a></li>`,
  )
  return renderPage(context, {
    title: words.pages.account,
    content: html`${[
      news === undefined ? '' : notice(html`<p>${news}</p>`),
      html`<p>${email === null ? home.noEmail : home.signedInAs(email)}</p>`,
      html`<ul class="links">${links}</ul>`,
      html`<h2>${home.language}</h2><p>${home.languageHint}</p>`,
      buttons(
        ...LANGUAGES.map((language) =>
          buttonForm(
            { hidden: { language } },
            choice(words.languageNames[language], { language, isChosen: language === chosen }),
          ),
        ),
      ),
      buttons(
        ...(context.brand.url === undefined ? [] : [wayOn(context)]),
        buttonForm({ action: pathOf(PAGE_PATHS.sign_out) }, button(home.signOut, 'other')),
      ),
    ]}`,
  })
}
