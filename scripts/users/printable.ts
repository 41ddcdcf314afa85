/**
 * Text of strangers on a terminal. A user agent, a city or a group may hold sequences that move the cursor or recolour what stands
 * above, and directions that turn a line around: none of them reaches the terminal.
 */

/** Control characters, both blocks of them, line and paragraph separators, and the marks that change the direction of text. */
const CONTROLS = /[\p{Cc}\p{Zl}\p{Zp}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu

/** The text in one line, with a mark in place of each control character. */
export function printable(text: string): string {
  return text.replace(CONTROLS, '\ufffd')
}

/** JSON in one line. Control characters that JSON may have bare are escaped, too. */
export function jsonLine(value: unknown): string {
  return (JSON.stringify(value) ?? 'null').replace(
    CONTROLS,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

/** How many columns of a terminal a text takes: letters of East Asia take two, marks on the letter before take none. */
export function widthOf(text: string): number {
  let width = 0
  for (const char of text) {
    if (/^(?:\p{M}|[\u200b-\u200d])$/u.test(char)) continue
    width +=
      /^[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\uff01-\uff60\p{Emoji_Presentation}]$/u.test(
        char,
      )
        ? 2
        : 1
  }
  return width
}

/** The text in at most so many columns, with an ellipsis where it was cut. */
export function cut(text: string, width: number): string {
  if (widthOf(text) <= width) return text
  let kept = ''
  for (const char of text) {
    if (widthOf(kept + char) > width - 1) break
    kept += char
  }
  return `${kept}…`
}

/** The text with spaces up to so many columns. */
export function pad(text: string, width: number): string {
  return text + ' '.repeat(Math.max(0, width - widthOf(text)))
}
