/** The page of *take the change back*. */

import { buttonPage } from './button-page.ts'

export const page = buttonPage({ isDangerous: true, next: 'forgot' })
