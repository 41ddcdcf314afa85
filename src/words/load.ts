/** The words of one language, loaded with the first page or mail that has them: no isolate loads those that nobody asked for. */

import type { Language } from '../domain/language.ts'
import type { Words } from './en.ts'

/** Loads the words of a language. */
export async function loadWords(language: Language): Promise<Words> {
  switch (language) {
    case 'en':
      return (await import('./en.ts')).en
    case 'ru':
      return (await import('./ru.ts')).ru
  }
}
