/** The page of *choose a new password*. */

import { html } from 'hono/html'
import * as z from 'zod/mini'

import { newPasswordField } from '../account/fields.ts'
import { field, ownerField } from '../fields.ts'
import type { LinkPage } from './link-page.ts'

export const page: LinkPage<null, { readonly password: string }> = {
  isDangerous: false,
  fields(_offer, context, { errors: { new_password: error }, recipient }) {
    return html`${ownerField(recipient)}${field({ ...newPasswordField(context), ...(error !== undefined && { error }) })}`
  },
  Form: z.pipe(
    z.object({ token: z.string(), new_password: z.string() }),
    z.transform(({ token, new_password: password }) => ({ token, choice: { password } })),
  ),
}
