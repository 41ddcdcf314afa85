/** What is in a mail, in its order, before it is text or HTML: both say the same. */

import type { Language } from '../../domain/language.ts'
import type { Brand } from '../../domain/settings.ts'
import type { Detail } from '../../words/details.ts'
import type { Words } from '../../words/en.ts'
import type { MailWording } from '../../words/wording.ts'

/** A mail as a person reads it. */
export interface MailContent {
  readonly subject: string
  readonly text: string
  readonly html: string
}

export interface Button {
  readonly label: string
  readonly url: string
  readonly isLikely: boolean
}

/** A mail before it is laid out. */
export interface Layout {
  readonly language: Language
  readonly words: Words
  readonly brand: Brand
  readonly recipient: string
  readonly wording: MailWording
  readonly details: readonly Detail[]
  readonly buttons: readonly Button[]
  /** How many of its buttons are signed links, and how long these work, in words that follow "for"; `null` where none is. */
  readonly signed: { readonly count: number; readonly duration: string } | null
  /** The address of the page that does the same, as one types it, and its name. */
  readonly page: { readonly address: string; readonly name: string } | null
}

/** The subject: whose mail it is, and what happened. Nothing in it comes from a request. */
export function subjectOf({ brand, wording }: Pick<Layout, 'brand' | 'wording'>): string {
  return `${brand.name}: ${wording.subject}`
}

/** What stands below the buttons: how long they work and where they lead. */
export function aboutLinks({ words, buttons, signed, brand, page }: Layout): {
  readonly links: string
  readonly footer: string
} {
  const { linksLast, linksLead, footer, promise } = words.mail
  const [first] = buttons
  return {
    links: [
      signed === null ? null : linksLast(signed.count, signed.duration),
      first === undefined ? null : linksLead(buttons.length, new URL(first.url).host),
    ]
      .filter((sentence) => sentence !== null)
      .join(' '),
    footer: [page === null ? null : footer(page.address, page.name), promise(brand.name)]
      .filter((sentence) => sentence !== null)
      .join(' '),
  }
}
