/** What a page of ours is made with: the words that its reader asked for, whose deployment it is, and its nonce. */

import type { Context } from 'hono'

import { DEFAULT_LANGUAGE } from '../../domain/language.ts'
import type { PageContext } from '../../pages/layout.ts'
import { loadWords } from '../../words/load.ts'
import type { AppEnv } from '../factory.ts'
import { readLanguage } from '../request/language.ts'

/** The context of the page that answers this request. `nonce` is that of its headers. */
export async function pageContext(c: Context<AppEnv>, nonce: string = c.var.nonce): Promise<PageContext> {
  const { app: brand, basePath, passwordMinLength } = c.env.settings
  const language = readLanguage(c) ?? DEFAULT_LANGUAGE
  const words = await loadWords(language)
  return { language, brand, nonce, words, passwordMinLength, pathOf: (path) => `${basePath}${path}` }
}
