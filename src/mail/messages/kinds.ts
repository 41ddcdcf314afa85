/**
 * What each kind of mail is made of: its words, its answers, and the page that does the same without a link. A new kind of notice is a
 * type error here until it has a line.
 */

import type { LinkPurpose } from '../../domain/mails/links.ts'
import type { Notice, NoticeFacts, NoticeKind } from '../../domain/mails/notice.ts'
import { offerPlaces } from '../../domain/mails/offered-places.ts'
import type { PageName } from '../../domain/page-paths.ts'
import { ALLOWED_PLACE_DAYS } from '../../domain/places/allowed-place.ts'
import type { Settings } from '../../domain/settings.ts'
import type { Words } from '../../words/en.ts'
import type { MailWording } from '../../words/wording.ts'

/** What a button of a mail does: it follows a signed link, or opens a page that asks for everything anew. */
export interface Answer {
  readonly label: string
  readonly to: { readonly purpose: LinkPurpose } | { readonly page: PageName }
  /** What most people who get such a mail have to do. At most one of a mail is. */
  readonly isLikely: boolean
}

export interface Message {
  readonly wording: MailWording
  /** The likely one first. */
  readonly answers: readonly Answer[]
  /** Where the same is done without a link; `null` where it takes one, or nothing is left to do. */
  readonly page: PageName | null
}

type Chosen = Pick<Settings, 'app' | 'locationPolicy'>

const MESSAGES: {
  readonly [Kind in NoticeKind]: (facts: NoticeFacts<Kind>, words: Words, chosen: Chosen) => Message
} = {
  location_blocked(facts, words, { locationPolicy }) {
    const places = offerPlaces(locationPolicy, facts)
    return {
      wording: words.mails.location_blocked({ places, days: ALLOWED_PLACE_DAYS }),
      answers: [
        ...(places === null ? [] : [link(words, 'allow_place', 'likely')]),
        link(words, 'end_sessions', 'unlikely'),
      ],
      page: 'sessions',
    }
  },
  token_reused: ({ isBound = false }, words) => ({
    wording: words.mails.token_reused(isBound),
    answers: [link(words, 'end_sessions', 'unlikely')],
    page: 'sessions',
  }),
  other_key: (_facts, words) => ({
    wording: words.mails.other_key(),
    answers: [link(words, 'end_sessions', 'unlikely')],
    page: 'sessions',
  }),
  sign_ins_paused: ({ failures }, words) => ({
    wording: words.mails.sign_ins_paused(failures),
    answers: [page(words.toPage.forgot, 'forgot', 'unlikely')],
    page: 'forgot',
  }),
  new_sign_in: (facts, words) => ({
    wording: words.mails.new_sign_in(facts),
    answers: [link(words, 'end_sessions', 'unlikely')],
    page: 'sessions',
  }),
  confirm_address: (_facts, words, { app }) => ({
    wording: words.mails.confirm_address(app.name),
    answers: [link(words, 'confirm', 'likely')],
    page: null,
  }),
  address_taken: (_facts, words, { app }) => ({
    wording: words.mails.address_taken(app.name),
    answers: [page(words.toPage.sign_in, 'sign_in', 'likely'), page(words.toPage.forgot, 'forgot', 'unlikely')],
    page: 'sign_in',
  }),
  reset_password: ({ by }, words, { app }) => ({
    wording: by === 'operator' ? words.mails.choose_password(app.name) : words.mails.reset_password(),
    answers: [link(words, 'reset_password', 'likely')],
    page: null,
  }),
  password_changed: ({ how }, words, { app }) => ({
    wording: words.mails.password_changed(how, app.name),
    answers:
      how === 'operator'
        ? [page(words.toPage.forgot, 'forgot', 'unlikely')]
        : [page(words.toPage.forgotNotMe, 'forgot', 'unlikely'), link(words, 'end_sessions', 'unlikely')],
    page: 'forgot',
  }),
  confirm_email: (_facts, words, { app }) => ({
    wording: words.mails.confirm_email(app.name),
    answers: [link(words, 'confirm_email', 'likely')],
    page: null,
  }),
  email_changed: ({ by }, words, { app }) => ({
    wording: words.mails.email_changed(by, app.name),
    // What an operator changed, an operator takes back.
    answers: by === 'operator' ? [] : [link(words, 'undo_email', 'unlikely')],
    page: null,
  }),
  account_left: ({ by }, words, { app }) => ({
    wording: words.mails.account_left(by, app.name),
    answers: [],
    page: null,
  }),
}

/** What a notice says, and what its reader can answer. */
export function messageOf<Kind extends NoticeKind>(
  { kind, facts }: Notice<Kind>,
  words: Words,
  chosen: Chosen,
): Message {
  return MESSAGES[kind](facts, words, chosen)
}

function link(words: Words, purpose: LinkPurpose, how: 'likely' | 'unlikely'): Answer {
  return { label: words.links[purpose].answer, to: { purpose }, isLikely: how === 'likely' }
}

function page(label: string, to: PageName, how: 'likely' | 'unlikely'): Answer {
  return { label, to: { page: to }, isLikely: how === 'likely' }
}
