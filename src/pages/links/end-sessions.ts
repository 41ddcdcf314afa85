/** The page of *end all my sessions*. */

import { buttonPage } from './button-page.ts'

export const page = buttonPage({ isDangerous: true })
