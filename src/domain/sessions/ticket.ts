/**
 * Tickets: how a browser opens a session that a back end vouches for. A session belongs to the place that it was opened from, so the
 * browser has to open it itself. The back end hands it a ticket, in a URL, which works once and not for long.
 *
 * A ticket needs no row: it names the session that it opens, and no two sessions have one key.
 */

import { TesseraError } from '../../errors.ts'
import { type Client, isOwnPlace } from '../places/place.ts'
import type { Services } from '../services.ts'
import type { ClaimsOf } from '../tokens/claims.ts'
import { MAX_TOKEN_LENGTH } from '../tokens/token-form.ts'
import { readToken } from '../tokens/tokens.ts'
import type { Pair } from './pair.ts'
import { newSession, openForGuid, type SignInCaller, type SignInServices } from './sign-in.ts'

export const TICKET_SECONDS = 60

export interface TicketRequest {
  readonly guid: string
  /** Where the browser goes on to; `undefined`: nowhere. */
  readonly to: string | undefined
  /** The client that it is for, so that nobody else can be made to use it; `null`: whoever comes with it. */
  readonly client: Client | null
}

/**
 * Signs a ticket that opens one session within `TICKET_SECONDS`. Nothing is stored. Throws `wrong_data_structure` for a `to` of so many
 * characters that JSON has to escape that no one could read the ticket.
 */
export async function signTicket(
  { tokens, newId, ...services }: Pick<Services, 'tokens' | 'newId' | 'now'>,
  { guid, to, client }: TicketRequest,
): Promise<string> {
  const now = services.now()
  const ticket = await tokens.sign({
    token_type: 'ticket',
    guid,
    sid: newId(),
    ...(to !== undefined && { to }),
    ...(client !== null && { client: { address: client.address, asn: client.asn, country: client.country } }),
    iat: now,
    exp: now + TICKET_SECONDS,
  })
  if (ticket.length > MAX_TOKEN_LENGTH) throw new TesseraError('wrong_data_structure', { cause: 'return address' })
  return ticket
}

/** The ticket of this guid. Throws `wrong_data_structure` and `token_not_valid`; whether it was used, `signInByTicket` sees. */
export async function readTicket(
  { tokens, now }: Pick<Services, 'tokens' | 'now'>,
  guid: string,
  text: string,
): Promise<ClaimsOf<'ticket'>> {
  const ticket = await readToken(tokens, 'ticket', text, now())
  if (ticket.guid !== guid) {
    throw new TesseraError('token_not_valid', { cause: 'ticket', sid: ticket.sid, guid: ticket.guid })
  }
  return ticket
}

/**
 * Opens the session of a ticket. Throws `location_blocked` for a client in another place than the one that it is for, `token_used`,
 * `no_active_account`, `unavailable`. A ticket that was refused for its client may still be used by the right one.
 */
export async function signInByTicket(
  services: SignInServices,
  { guid, sid, client }: ClaimsOf<'ticket'>,
  caller: SignInCaller,
): Promise<Pair> {
  if (client !== undefined && !isOwnPlace(services.settings.locationPolicy, client, caller.client)) {
    throw new TesseraError('location_blocked', { cause: 'moved', sid, guid })
  }
  return openForGuid(services, guid, await newSession(services, caller, sid), { issuer: caller.issuer, by: 'ticket' })
}
