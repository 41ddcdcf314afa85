/** The page of *choose a new password*. */

import * as z from 'zod/mini'

import { newPasswordField } from '../account/fields.ts'
import { field } from '../fields.ts'
import type { LinkPage } from './link-page.ts'

export const page: LinkPage<null, { readonly password: string }> = {
  isDangerous: false,
  fields(_offer, context, { new_password: error }) {
    return field({ ...newPasswordField(context), ...(error !== undefined && { error }) })
  },
  Form: z.pipe(
    z.object({ token: z.string(), new_password: z.string() }),
    z.transform(({ token, new_password: password }) => ({ token, choice: { password } })),
  ),
}
