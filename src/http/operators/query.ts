/** What the query of a list says: filters of a known shape, how many, and from where on. */

import type { Context } from 'hono'
import * as z from 'zod/mini'

import type { AppEnv } from '../factory.ts'
import { parseBody } from '../../shape.ts'

const MAX_LIMIT = 100

const Whole = z.pipe(z.string().check(z.regex(/^\d{1,15}$/, 'must be a whole number')), z.transform(Number))

/** Seconds since 1970, or the id after which a page begins. */
export const WholeOrNull = z.prefault(z.nullable(Whole), null)

export const TextOrNull = z.prefault(z.nullable(z.string().check(z.minLength(1), z.maxLength(256))), null)

/** How many entries a page has at most, and the cursor that the page before gave. */
export const Paging = {
  limit: z.prefault(z.pipe(Whole, z.int().check(z.minimum(1), z.maximum(MAX_LIMIT))), '50'),
  cursor: WholeOrNull,
}

/** The query of a request, as `schema` has it. Throws `wrong_data_structure`, which names the parameters that are wrong. */
export function readQuery<Schema extends z.ZodMiniType>(c: Context<AppEnv>, schema: Schema): z.output<Schema> {
  // An empty parameter says nothing, as if it were not there.
  return parseBody(schema, Object.fromEntries(Object.entries(c.req.query()).filter(([, value]) => value !== '')))
}
