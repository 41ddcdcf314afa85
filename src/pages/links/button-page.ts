/** What a page has in common with every other one whose form asks for nothing but its button. */

import { html } from 'hono/html'
import * as z from 'zod/mini'

import type { LinkPage } from './link-page.ts'

/** A page with a button alone. */
export function buttonPage(own: Pick<LinkPage<null, null>, 'isDangerous' | 'next'>): LinkPage<null, null> {
  return {
    ...own,
    fields: () => html``,
    Form: z.pipe(
      z.object({ token: z.string() }),
      z.transform(({ token }) => ({ token, choice: null })),
    ),
  }
}
