/** From a stored notice to the mail that a person reads, in the language and the time zone of its account. */

import { DEFAULT_LANGUAGE, isLanguage } from '../domain/language.ts'
import { type LinkPurpose, LINKS, ownAddress } from '../domain/mails/links.ts'
import type { StoredNotice } from '../domain/mails/notice.ts'
import { PAGE_PATHS } from '../domain/page-paths.ts'
import type { Settings } from '../domain/settings.ts'
import { describeNotice } from '../words/details.ts'
import { loadWords } from '../words/load.ts'
import { type Answer, messageOf } from './messages/kinds.ts'
import { type Layout, type MailContent, subjectOf } from './messages/layout.ts'
import { layOutPage } from './messages/page.ts'
import { layOutText } from './messages/text.ts'

/** What the look of mails depends on. */
export type MailSettings = Pick<Settings, 'app' | 'locationPolicy' | 'publicUrl' | 'basePath'>

/** The URL of a link for a mail. */
export type SignLink = (purpose: LinkPurpose, notice: StoredNotice) => Promise<string>

/**
 * Renders a stored notice. The same notice gives the same content under the same settings, however often it is sent. A language or a zone
 * that this version does not know is English, or UTC. Throws where `ownAddress` does.
 */
export async function renderMail(
  notice: StoredNotice,
  settings: MailSettings,
  signLink: SignLink,
): Promise<MailContent> {
  const { app: brand } = settings
  const { recipient, timeZone } = notice
  const language = isLanguage(notice.language) ? notice.language : DEFAULT_LANGUAGE
  const words = await loadWords(language)
  const { wording, answers, page } = messageOf(notice, words, settings)
  const own = ownAddress(settings, notice.facts)
  const urlOf = ({ to }: Answer) =>
    'purpose' in to ? signLink(to.purpose, notice) : Promise.resolve(`${own}${PAGE_PATHS[to.page]}`)
  const purposes = answers.flatMap(({ to }) => ('purpose' in to ? [to.purpose] : []))
  const layout: Layout = {
    language,
    words,
    brand,
    recipient,
    wording,
    details: describeNotice(notice, words, timeZone),
    buttons: await Promise.all(
      answers.map(async (answer) => ({
        label: answer.label,
        url: await urlOf(answer),
        isLikely: answer.isLikely,
      })),
    ),
    // The links of one mail work equally long: a test of the mails holds it.
    signed:
      purposes[0] === undefined
        ? null
        : { count: purposes.length, duration: words.duration(LINKS[purposes[0]].lifetimeSeconds) },
    page: page === null ? null : { address: withoutScheme(`${own}${PAGE_PATHS[page]}`), name: words.pages[page] },
  }
  return { subject: subjectOf(layout), text: layOutText(layout), html: await layOutPage(layout) }
}

/** An address as people type it. */
function withoutScheme(url: string): string {
  return url.replace(/^https:\/\//, '')
}
