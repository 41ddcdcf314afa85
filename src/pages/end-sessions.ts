/** The page of *end all my sessions*. */

import { html } from 'hono/html'
import * as z from 'zod/mini'

import type { LinkPage } from './link-page.ts'

export const page: LinkPage<null, null, 'ended'> = {
  question: 'End all your sessions?',
  consequence:
    'Every device that is signed in to your account will have to sign in again, yours included. Places that you allowed are taken back, and any other link of the mail stops working.',
  isDangerous: true,
  fields: () => html``,
  Form: z.pipe(
    z.object({ token: z.string() }),
    z.transform(({ token }) => ({ token, choice: null })),
  ),
  done: 'All your sessions have ended',
  afterwards: () =>
    html`<p>Every device has to sign in again, the last of them within minutes. Change your password if it may be known.</p>`,
}
