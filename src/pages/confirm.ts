/** The page of *confirm this address*. */

import { html } from 'hono/html'
import * as z from 'zod/mini'

import type { LinkPage } from './link-page.ts'

export const page: LinkPage<null, null, 'confirmed'> = {
  question: 'Is this your address?',
  consequence:
    'Your account is made as soon as you confirm the address. If you did not sign up, leave this page: nothing happens.',
  isDangerous: false,
  fields: () => html``,
  Form: z.pipe(
    z.object({ token: z.string() }),
    z.transform(({ token }) => ({ token, choice: null })),
  ),
  done: 'Your account is ready',
  afterwards: () => html`<p>You can sign in now.</p>`,
}
