/** The shapes of requests, as callers send them. Unknown fields are ignored: real clients send extra ones. */

import * as z from 'zod'

/** The longest address that SMTP can carry (RFC 5321 section 4.5.3.1.3, less the brackets). */
const MAX_EMAIL_LENGTH = 254

export const Credentials = z.object({
  primary_email: z.string().min(1).max(MAX_EMAIL_LENGTH),
  /** Taken whole: never trimmed or cut. */
  password: z.string().min(1),
})

export const RefreshRequest = z.object({ refresh: z.string() })

export const VerifyRequest = z.object({ token: z.string() })

/** RFC 7009 calls it `token`; this API's own clients know it as `refresh`. */
export const RevokeRequest = z
  .object({ token: z.string().nullish(), refresh: z.string().nullish() })
  .transform(({ token, refresh }) => token || (refresh ?? token))
  .refine((text) => typeof text === 'string', { path: ['token'], message: 'Or refresh: one is needed' })
  .pipe(z.string())

/** RFC 7662 section 2.1. */
export const IntrospectRequest = z.object({ token: z.string() })

/** What the page of a mail's link posts. */
export const LinkRequest = z.object({ token: z.string() })
