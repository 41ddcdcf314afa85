/** The languages that people are addressed in. The words of each stand in one file. */

export const LANGUAGES = ['en', 'ru'] as const
export type Language = (typeof LANGUAGES)[number]

/** For whoever asked for none, or for none of these. */
export const DEFAULT_LANGUAGE: Language = 'en'

/** Whether a text is the code of one of them. */
export function isLanguage(text: string | null): text is Language {
  return LANGUAGES.some((language) => language === text)
}
