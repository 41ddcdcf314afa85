/** The page of *choose a new password*. */

import { html } from 'hono/html'
import * as z from 'zod/mini'

import type { LinkPage } from './link-page.ts'

const Form = z.pipe(
  z.object({ token: z.string(), new_password: z.string() }),
  z.transform(({ token, new_password: password }) => ({ token, choice: { password } })),
)

export const page: LinkPage<null, { readonly password: string }, 'reset'> = {
  question: 'Choose a new password',
  consequence: 'Every device that is signed in to your account will have to sign in again, with the new password.',
  isDangerous: false,
  fields(_offer, { new_password: errors = [] }) {
    const input = html`<input type="password" name="new_password" autocomplete="new-password" required/>`
    return html`<label><span>New password</span>${input}</label>${errors.map((error) => html`<p role="alert">${error}</p>`)}`
  },
  Form,
  done: 'You have a new password',
  afterwards: () => html`<p>Every session has ended. Sign in with the new password.</p>`,
}
