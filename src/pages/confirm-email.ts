/** The page of *use this address*. */

import { html } from 'hono/html'
import * as z from 'zod/mini'

import type { LinkPage } from './link-page.ts'

export const page: LinkPage<null, null, 'changed'> = {
  question: 'Use this address for your account?',
  consequence:
    'Your account gets this address as soon as you confirm it. You sign in with it from then on, and mails go there.',
  isDangerous: false,
  fields: () => html``,
  Form: z.pipe(
    z.object({ token: z.string() }),
    z.transform(({ token }) => ({ token, choice: null })),
  ),
  done: 'Your account has this address now',
  afterwards: () => html`<p>The former address was told, and can take the change back for 7 days.</p>`,
}
