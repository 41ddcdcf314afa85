/** The page of *confirm this address*. */

import { buttonPage } from './button-page.ts'

export const page = buttonPage({ isDangerous: false })
