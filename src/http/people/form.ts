/** Forms of pages: what somebody typed is done, or the page is shown again and says what was wrong, in the reader's words. */

import type { Context } from 'hono'
import * as z from 'zod/mini'

import { limitByAddress } from '../../domain/places/rate-limits.ts'
import type { Typed } from '../../pages/account/forms.ts'
import type { Refusal } from '../../pages/fields.ts'
import type { Html, PageContext } from '../../pages/layout.ts'
import { pageContext } from '../answer/page-context.ts'
import { readRefusal } from '../answer/refusal.ts'
import type { AppEnv } from '../factory.ts'
import { readForm } from '../request/body.ts'
import { parseBody } from '../../shape.ts'
import { readCaller } from '../request/caller.ts'

/** What a form sends: a text a field. */
export const FormFields = z.record(z.string(), z.string())

interface Form<Schema extends z.ZodMiniType> {
  readonly schema: Schema
  readonly act: (typed: z.output<Schema>, context: PageContext) => Promise<Response>
  /** The page once more, with what was refused. It shows no password that was typed. */
  readonly render: (context: PageContext, refusal: Refusal, typed: Typed) => Html
}

/** Does what a form asks for, or shows it again. Throws what no other filling of the form would change. */
export async function answerForm<Schema extends z.ZodMiniType>(
  c: Context<AppEnv>,
  { schema, act, render }: Form<Schema>,
): Promise<Response> {
  const [typed, context] = await Promise.all([readForm(c, FormFields), pageContext(c)])
  try {
    // Each of these forms costs a hash or a mail.
    await limitByAddress(c.env, (await readCaller(c)).client)
    return await act(parseBody(schema, typed), context)
  } catch (thrown) {
    const refusal = readRefusal(c, context, thrown)
    return c.html(render(context, refusal, typed))
  }
}
