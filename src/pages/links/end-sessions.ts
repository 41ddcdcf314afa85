/** The page of *end all my sessions*. */

import { html } from 'hono/html'
import * as z from 'zod/mini'

import type { LinkPage } from './link-page.ts'

export const page: LinkPage<null, null> = {
  isDangerous: true,
  fields: () => html``,
  Form: z.pipe(
    z.object({ token: z.string() }),
    z.transform(({ token }) => ({ token, choice: null })),
  ),
}
