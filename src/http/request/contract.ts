/** The shapes of requests, as callers send them. Unknown fields are ignored: real clients send extra ones. */

import { en } from 'zod/locales'
import * as z from 'zod/mini'

import { MAX_EMAIL_LENGTH } from '../../domain/accounts/account.ts'
import { MAX_PASSWORD_LENGTH } from '../../domain/accounts/passwords.ts'
import { Guid } from '../../domain/tokens/claims.ts'

// zod/mini has no messages until it is given a language.
z.config(en())

const Text = z.string()

export const Credentials = z.object({
  primary_email: z.string().check(z.minLength(1), z.maxLength(MAX_EMAIL_LENGTH)),
  /** Taken whole: never trimmed or cut. */
  password: z.string().check(z.minLength(1), z.maxLength(MAX_PASSWORD_LENGTH)),
})

/** Whose session a ticket opens, and where its browser goes on to. */
export const TicketOrder = z.object({ guid: Guid, to: z.optional(z.string()) })

export const RefreshRequest = z.object({ refresh: Text })

/** A token to verify, or to introspect (RFC 7662 section 2.1). */
export const TokenRequest = z.object({ token: Text })

/** RFC 7009 calls it `token`; this API's own clients know it as `refresh`. */
export const RevokeRequest = z.pipe(
  z.object({ token: z.nullish(Text), refresh: z.nullish(Text) }),
  z.transform(({ token, refresh }, { issues }) => {
    const presented = token || (refresh ?? token)
    if (typeof presented === 'string') return presented
    issues.push({ code: 'custom', path: ['token'], message: 'Or refresh: one is needed', input: presented })
    return z.NEVER
  }),
)
