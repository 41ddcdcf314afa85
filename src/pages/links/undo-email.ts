/** The page of *take the change back*. */

import { html } from 'hono/html'
import * as z from 'zod/mini'

import type { LinkPage } from './link-page.ts'

export const page: LinkPage<null, null> = {
  isDangerous: true,
  fields: () => html``,
  next: 'forgot',
  Form: z.pipe(
    z.object({ token: z.string() }),
    z.transform(({ token }) => ({ token, choice: null })),
  ),
}
