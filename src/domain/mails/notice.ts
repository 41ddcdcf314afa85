/**
 * Mails that rules ask for. A notice becomes a row of the outbox in the transaction that makes it due; rendering and
 * sending come later and elsewhere, as often as it takes.
 */

import * as z from 'zod/mini'

import type { Client } from '../places/place.ts'

export const NoticeKind = z.enum(['location_blocked', 'token_reused'])
export type NoticeKind = z.output<typeof NoticeKind>

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

/** What happened, for the template. Stored as JSON, and read back by later versions: no token, no secret. */
export const NoticeFacts = z.object({
  /** Seconds since 1970. */
  at: z.int(),
  client: z.codec(z.extend(StoredPlace, { userAgent: TextOrNull }), z.custom<Client>(), renamed),
  /** The place that the session had before, where that is the question. */
  usual: z.nullable(z.codec(StoredPlace, z.custom<Place>(), renamed)),
  /** The origin under which the owner's pages are reached. */
  origin: Text,
})
export type NoticeFacts = Readonly<z.output<typeof NoticeFacts>>

export const Notice = z.object({ kind: NoticeKind, facts: NoticeFacts })
export type Notice = Readonly<z.output<typeof Notice>>

/** A notice that is stored: its row's id, and whose address it goes to. */
export interface StoredNotice extends Notice {
  readonly id: string
  readonly recipient: string
}
