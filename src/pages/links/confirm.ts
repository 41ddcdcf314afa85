/** The page of *confirm this address*. */

import { html } from 'hono/html'
import * as z from 'zod/mini'

import type { LinkPage } from './link-page.ts'

export const page: LinkPage<null, null> = {
  isDangerous: false,
  fields: () => html``,
  Form: z.pipe(
    z.object({ token: z.string() }),
    z.transform(({ token }) => ({ token, choice: null })),
  ),
}
