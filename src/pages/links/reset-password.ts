/** The page of *choose a new password*. */

import * as z from 'zod/mini'

import { field } from '../fields.ts'
import type { LinkPage } from './link-page.ts'

export const page: LinkPage<null, { readonly password: string }> = {
  isDangerous: false,
  fields(_offer, { words }, { new_password: errors = [] }) {
    const [error] = errors
    const label = words.forms.newPassword
    return field({
      name: 'new_password',
      type: 'password',
      label,
      autocomplete: 'new-password',
      ...(error !== undefined && { error }),
    })
  },
  Form: z.pipe(
    z.object({ token: z.string(), new_password: z.string() }),
    z.transform(({ token, new_password: password }) => ({ token, choice: { password } })),
  ),
}
