/** What each token says (RFC 7519 section 4): the claims by type, as they are signed and as they are read back. */

import * as z from 'zod/mini'

import { canonicalAddress } from '../places/address.ts'

/** Any 8-4-4-4-12 hex, in lower case: the issuers of these guids do not all keep to RFC 9562. */
export const Guid = z.guid().check(z.toLowerCase())

const Seconds = z.int().check(z.minimum(0))
const Id = z.string().check(z.minLength(1), z.maxLength(64))

const Address = z.string().check(z.refine((text) => canonicalAddress(text) === text))

const Times = z.object({
  iat: Seconds,
  exp: Seconds,
  /** Tessera writes no `nbf`. Whoever shares its secret may sign a token that has one, and that is not good before then. */
  nbf: z.exactOptional(Seconds),
})

const PairClaims = z.extend(Times, {
  iss: z.string(),
  sub: Guid,
  /** The account's integer key; `user_id` in JSON answers. */
  id: z.int().check(z.positive()),
  guid: Guid,
  sid: Id,
  jti: Id,
})

/** `sub` and `guid` have to agree, since other verifiers read the account from `sub`, and these rules from `guid`. */
const namesOneAccount = z.refine<Pick<z.output<typeof PairClaims>, 'sub' | 'guid'>>(({ sub, guid }) => sub === guid)

const AccessClaims = z
  .extend(PairClaims, {
    token_type: z.literal('access'),
    group: z.string(),
    aud: z.exactOptional(z.string()),
  })
  .check(namesOneAccount)

const RefreshClaims = z
  .extend(PairClaims, {
    token_type: z.literal('refresh'),
    /** The canonical address of the client that the token was issued to. */
    ip: Address,
  })
  .check(namesOneAccount)

/** A link in a mail: which mail it is from, and the one thing that it may be used for. */
const LinkClaims = z.extend(Times, {
  token_type: z.literal('link'),
  purpose: Id,
  /** The id of the mail's row in the outbox. */
  nid: Id,
  /** The id of the mail's account. Links of earlier versions have none. */
  account: z.exactOptional(z.int()),
})

/** A ticket: whose session a browser may open with it, once, and where it goes on to. */
const TicketClaims = z.extend(Times, {
  token_type: z.literal('ticket'),
  guid: Guid,
  /** The session that it opens. A ticket works once, since no two sessions have one key. */
  sid: Id,
  to: z.exactOptional(z.string()),
  /** The client that it was made for, where that was named: it opens nothing from another place. */
  client: z.exactOptional(z.object({ address: Address, asn: z.nullable(z.int()), country: z.nullable(z.string()) })),
})

/** A challenge for a key: of a registration, or, with the live `jti` and the key of the session, of a refresh. */
const ChallengeClaims = z.extend(Times, {
  token_type: z.literal('challenge'),
  nonce: z.string(),
  sid: Id,
  jti: z.exactOptional(Id),
  key: z.exactOptional(z.string()),
  /** A browser keeps it for its next refresh, whenever that is. */
  kept: z.exactOptional(z.literal(true)),
})

/** The claims of every type of token. A type that is not here can be neither signed nor read. */
export const CLAIMS = {
  access: AccessClaims,
  refresh: RefreshClaims,
  link: LinkClaims,
  ticket: TicketClaims,
  challenge: ChallengeClaims,
} as const

export type TokenType = keyof typeof CLAIMS
export type ClaimsOf<Type extends TokenType> = z.output<(typeof CLAIMS)[Type]>
export type AccessClaims = ClaimsOf<'access'>
export type RefreshClaims = ClaimsOf<'refresh'>
