/** The page of *take the change back*. */

import { html } from 'hono/html'
import * as z from 'zod/mini'

import type { LinkPage } from './link-page.ts'

export const page: LinkPage<null, null, 'undone'> = {
  question: 'Take the change of your address back?',
  consequence:
    'Your account gets this address back. Every session ends, and the password stops working: you choose a new one by a mail to this address.',
  isDangerous: true,
  fields: () => html``,
  Form: z.pipe(
    z.object({ token: z.string() }),
    z.transform(({ token }) => ({ token, choice: null })),
  ),
  done: 'Your account has its former address again',
  afterwards: () => html`<p>Every session has ended. Choose a new password before you sign in.</p>`,
}
