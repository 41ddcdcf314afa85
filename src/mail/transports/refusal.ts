/**
 * What a mail service says when it does not take a mail. Its words tell an operator what to mend, and may quote the mail: they
 * are cut, made one line, and rid of addresses, links, tokens and the service's key before they reach a row or a log.
 */

const MAX_CHARACTERS = 200
/** Enough bytes for that many characters after everything is taken out of them, in any encoding. */
const MAX_BYTES = 2048
/** The status is known before the body, so its words are waited for only briefly. */
const PATIENCE_MILLISECONDS = 2000

/** The start of a body, as text. It takes at most two seconds and 2 KiB of a body that may never end, and never throws. */
export async function readRefusal(body: ReadableStream<Uint8Array> | null): Promise<string> {
  if (body === null) return ''
  const decoder = new TextDecoder()
  const reader = body.getReader()
  let timer: ReturnType<typeof setTimeout> | undefined
  const late = new Promise<null>((resolve) => {
    timer = setTimeout(() => {
      resolve(null)
    }, PATIENCE_MILLISECONDS)
  })
  let text = ''
  let size = 0
  try {
    while (size < MAX_BYTES) {
      // oxlint-disable-next-line no-await-in-loop -- a stream has one chunk after another
      const read = await Promise.race([reader.read(), late])
      if (read?.done === true) return text + decoder.decode()
      if (read === null) break
      size += read.value.byteLength
      text += decoder.decode(read.value.subarray(0, MAX_BYTES), { stream: true })
    }
  } catch {
    // The connection broke; the words that came before count.
  } finally {
    clearTimeout(timer)
    await reader.cancel().catch(() => undefined)
  }
  return dropLastWord(text)
}

/**
 * A text of a stranger as one printable line of at most 200 characters, without addresses, links, anything as long as a
 * token, and the texts of `withheld`. Empty when nothing is left.
 */
export function cleanRefusal(text: string, withheld: readonly string[]): string {
  const start = text.length > MAX_BYTES ? dropLastWord(text.slice(0, MAX_BYTES)) : text
  const rest = withheld
    .filter((part) => part !== '')
    .reduce((whole, part) => whole.replaceAll(part, '[withheld]'), start)
  const line = rest
    .replace(/[\p{C}\p{Z}]+/gu, ' ')
    .replace(/\b[a-z][a-z+.-]*:\\?\/\\?\/[^\s"'<>]*/gi, '[link]')
    .replace(/[^\s"'<>()[\]{},;:]*(?:@|%40|\\u0040)[^\s"'<>()[\]{},;:]*/gi, '[address]')
    .replace(/[\w.~+/=%-]{32,}/g, '[token]')
    .trim()
  return Array.from(line).slice(0, MAX_CHARACTERS).join('')
}

/** A reason, followed by the words of the mail service where it gave any. */
export function withWords(reason: string, words: string): string {
  return words === '' ? reason : `${reason}: ${words}`
}

/** The text without its last word: a word that was cut may be half a secret, which no pattern recognizes. */
function dropLastWord(text: string): string {
  return text.replace(/\S+$/, '')
}
