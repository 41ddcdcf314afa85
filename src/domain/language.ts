/** How people are addressed: in which languages, of which the words of each stand in one file, and in the time of which zone. */

export const LANGUAGES = ['en', 'ru'] as const
export type Language = (typeof LANGUAGES)[number]

/** For whoever asked for none, or for none of these. */
export const DEFAULT_LANGUAGE: Language = 'en'

/** Whether a text is the code of one of them. */
export function isLanguage(text: string | null): text is Language {
  return LANGUAGES.some((language) => language === text)
}

/** Whether a text is the name of a time zone, as the IANA database has it, that this platform knows. */
export function isTimeZone(text: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: text }).resolvedOptions().timeZone !== ''
  } catch {
    return false
  }
}
