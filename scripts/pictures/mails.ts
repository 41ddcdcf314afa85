/** Every kind of mail as a picture has it: what happened, in facts of nobody. A kind that is missing here is a type error. */

import type { Language } from '../../src/domain/language.ts'
import type { LinkPurpose } from '../../src/domain/mails/links.ts'
import { LINKS } from '../../src/domain/mails/links.ts'
import type { Notice, NoticeFacts, NoticeKind, StoredNotice } from '../../src/domain/mails/notice.ts'
import type { MailContent } from '../../src/mail/messages/layout.ts'
import { renderMail } from '../../src/mail/render.ts'
import type { Brand } from '../../src/domain/settings.ts'
import { BRAND, ORIGIN } from './brand.ts'

const CLIENT = {
  address: '2001:db8:4a7:1c00:94e1:6bff:fe02:77d1',
  asn: 64_511,
  country: 'NZ',
  city: 'Wellington',
  provider: 'Example Broadband',
  userAgent: 'Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:145.0) Gecko/20100101 Firefox/145.0',
}

const USUAL = { address: '203.0.113.7', asn: 64_496, country: 'IS', city: 'Reykjavík', provider: 'Example Net' }

const FACTS = { at: 1_800_000_000, client: CLIENT, origin: ORIGIN }

const KINDS: { readonly [Kind in NoticeKind]: readonly NoticeFacts<Kind>[] } = {
  location_blocked: [
    { ...FACTS, usual: USUAL },
    // From somebody's Worker, which cannot be allowed.
    { ...FACTS, client: { ...CLIENT, address: '2a06:98c0:3600::103' }, usual: null },
  ],
  token_reused: [FACTS, { ...FACTS, isBound: true }],
  other_key: [FACTS],
  sign_ins_paused: [{ ...FACTS, failures: 10 }],
  new_sign_in: [
    { ...FACTS, isNewPlace: true, failures: 0 },
    { ...FACTS, isNewPlace: false, failures: 4, isBound: true },
  ],
  confirm_address: [FACTS],
  address_taken: [FACTS],
  reset_password: [
    { ...FACTS, by: 'owner' },
    { ...FACTS, by: 'operator' },
  ],
  password_changed: [
    { ...FACTS, how: 'changed' },
    { ...FACTS, how: 'operator' },
  ],
  confirm_email: [FACTS],
  email_changed: [
    { ...FACTS, by: 'owner' },
    { ...FACTS, by: 'operator' },
  ],
  account_left: [
    { ...FACTS, by: 'owner' },
    { ...FACTS, by: 'operator' },
  ],
}

/** Whose mail it is, and to whom it goes. */
interface Whose {
  readonly brand: Brand
  readonly recipient: string
}

const ANNA: Whose = { brand: BRAND, recipient: 'anna.petrova@example.com' }

interface MailView {
  readonly name: string
  readonly render: (language: Language, whose?: Whose) => Promise<MailContent>
}

/** All mails, by their names. */
export const MAILS: readonly MailView[] = Object.entries(KINDS).flatMap(([kind, examples]) =>
  examples.map((facts, i) => ({
    name: `mail-${kind.replaceAll('_', '-')}${i === 0 ? '' : `-${i + 1}`}`,
    render: (language, whose) => render({ kind, facts } as Notice, language, whose),
  })),
)

/** The notice of such a mail, as the pages behind its links are shown it. */
export function exampleOf(kind: NoticeKind): StoredNotice {
  return store({ kind, facts: KINDS[kind][0] } as Notice, 'en')
}

function store(notice: Notice, language: Language, { recipient }: Whose = ANNA): StoredNotice {
  const timeZone = language === 'ru' ? 'Europe/Moscow' : 'America/New_York'
  return { ...notice, id: 'mail-1', account: 7, recipient, language, timeZone }
}

function render(notice: Notice, language: Language, whose: Whose = ANNA): Promise<MailContent> {
  const settings = { app: whose.brand, locationPolicy: 'address', publicUrl: ORIGIN, basePath: '' } as const
  return renderMail(store(notice, language, whose), settings, signed)
}

async function signed(purpose: LinkPurpose): Promise<string> {
  return `${ORIGIN}${LINKS[purpose].path}?token=example`
}
