/**
 * Mails that rules ask for. A notice becomes a row of the outbox in the transaction that makes it due; rendering and
 * sending come later and elsewhere, as often as it takes.
 */

import * as z from 'zod/mini'

import type { Caller } from '../caller.ts'
import type { Client } from '../places/place.ts'
import type { Settings } from '../settings.ts'

const Text = z.string()
const TextOrNull = z.nullable(Text)
const NumberOrNull = z.nullable(z.int())

type Place = Pick<Client, 'address' | 'asn' | 'country' | 'city' | 'provider'>

const StoredPlace = z.object({
  address: Text,
  asn: NumberOrNull,
  country: TextOrNull,
  // Mails that were stored by earlier versions have neither for the place of a session.
  city: z.prefault(TextOrNull, null),
  network: z.prefault(TextOrNull, null),
})

/** The stored name of `provider` is `network`: that is what earlier versions wrote, and what they read after a rollback. */
const renamed = {
  decode: <Rest>({ network, ...rest }: Rest & { network: string | null }) => ({ ...rest, provider: network }),
  encode: <Rest>({ provider, ...rest }: Rest & { provider: string | null }) => ({ ...rest, network: provider }),
}

/** What every mail tells: what somebody did, when and from where. */
const Facts = z.object({
  /** Seconds since 1970. */
  at: z.int(),
  client: z.codec(z.extend(StoredPlace, { userAgent: TextOrNull }), z.custom<Client>(), renamed),
  /** The issuer, under whose origin the owner's pages are reached. */
  origin: Text,
})

/** Who did it: an operator's place is not told. Mails that were stored by earlier versions do not say, and were all the owner's. */
const Author = z.prefault(z.enum(['owner', 'operator']), 'owner')

/**
 * The kinds of mail, and what each tells. Stored as JSON, and read back by later versions: no token, no secret. A new kind
 * is an entry here and a file in `mail/messages/`.
 */
const NOTICES = {
  location_blocked: z.extend(Facts, {
    /** The place that the session had before. */
    usual: z.nullable(z.codec(StoredPlace, z.custom<Place>(), renamed)),
  }),
  token_reused: z.extend(Facts, {
    /** A key had to be proved for it. */
    isBound: z.exactOptional(z.literal(true)),
  }),
  /** Somebody has the refresh token of a session that is bound to a key, and another key. */
  other_key: Facts,
  sign_ins_paused: z.extend(Facts, {
    /** In a row, before whoever is in no place of the owner's had to wait. The last of them was this client's. */
    failures: z.int(),
  }),
  new_sign_in: z.extend(Facts, {
    /** Whether the owner had not signed in from there for a while, or ever. */
    isNewPlace: z.boolean(),
    /** In a row, before this one. */
    failures: z.int(),
    /** Its session is bound to a key. */
    isBound: z.exactOptional(z.literal(true)),
  }),
  /** Somebody registered with the address of the recipient, who has no account yet. */
  confirm_address: Facts,
  /** Somebody registered with the address of an account, or wanted to give it to another one. */
  address_taken: Facts,
  /** Whoever knows the address asked for it; or an operator had it sent. */
  reset_password: z.extend(Facts, { by: Author }),
  /** The owner chose a new password, by the former one or by the link of a mail; or an operator did. */
  password_changed: z.extend(Facts, { how: z.enum(['changed', 'reset', 'operator']) }),
  /** To an address that an account wants to have. */
  confirm_email: Facts,
  /** To the former address of an account. */
  email_changed: z.extend(Facts, { by: Author }),
  account_left: z.extend(Facts, { by: Author }),
} as const satisfies Readonly<Record<string, z.ZodMiniType<z.output<typeof Facts>>>>

export type NoticeKind = keyof typeof NOTICES
export type NoticeFacts<Kind extends NoticeKind = NoticeKind> = Readonly<z.output<(typeof NOTICES)[Kind]>>

/** What a mail is about. */
export type Notice<Kind extends NoticeKind = NoticeKind> = {
  readonly [One in Kind]: { readonly kind: One; readonly facts: NoticeFacts<One> }
}[Kind]

/** A notice that a rule asks to be stored, under which key, so that none is told the same twice. */
export type KeyedNotice<Kind extends NoticeKind = NoticeKind> = Notice<Kind> & { readonly dedupeKey: string }

/** A notice for an account that is known. */
export type DueNotice = KeyedNotice & { readonly userId: number }

/**
 * A notice that is stored: its row's id, its account's id, the address that it goes to, and how its account wants to be written to. `null`:
 * it never said.
 */
export type StoredNotice = Notice & {
  readonly id: string
  readonly account: number
  readonly recipient: string
  readonly language: string | null
  /** An IANA name. */
  readonly timeZone: string | null
}

/** What every mail about a caller tells. Its links lead to `PUBLIC_URL`, or else to the issuer. */
export function factsOf(
  { publicUrl }: Pick<Settings, 'publicUrl'>,
  { client, issuer }: Caller,
  at: number,
): z.output<typeof Facts> {
  return { at, client, origin: publicUrl ?? issuer }
}

/** Whether an operator did what a notice tells. */
export function isByOperator({ facts }: Notice): boolean {
  return ('how' in facts && facts.how === 'operator') || ('by' in facts && facts.by === 'operator')
}

/** The facts of a notice as its row has them. */
export function writeFacts({ kind, facts }: Notice): string {
  // Earlier versions, which may read this after a rollback, ask for `usual` in every kind.
  return JSON.stringify({ usual: null, ...z.encode(NOTICES[kind], facts) })
}

/** A notice as its row has it. Throws for what this version does not know. */
export function readNotice(kind: string, facts: string): Notice {
  if (!isKind(kind)) throw new RangeError('no such kind of notice')
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the schema of this kind read them
  return { kind, facts: NOTICES[kind].parse(JSON.parse(facts)) } as Notice
}

function isKind(kind: string): kind is NoticeKind {
  return Object.hasOwn(NOTICES, kind)
}
