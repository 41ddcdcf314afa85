/**
 * Whether a new password is one of the most used ones, or one of them with little done to it: a minimum length makes people repeat
 * or fill up a short one. The whole password is compared, never words in it (NIST SP 800-63B-4 section 3.1.1.2), so a phrase of
 * common words stays a good password.
 *
 * In small letters, a password is common that
 *
 * - is listed, or is made of sequences: three or more of one character, or of neighbours on a keyboard, in the alphabet, in counting;
 * - is two or three characters over and over;
 * - is such a *core* with padding at its ends, each of at most two pieces: a sequence, signs of one kind, and, unless all are digits,
 *   up to four digits;
 * - is such a core, padded or not, over and over, the last time perhaps in part, and perhaps padded at the end;
 * - is any of these as the same keys of a Latin keyboard write it: the list has what Russians chose only as they typed it there.
 */

/** No listed password is longer. */
export const MAX_CORE_LENGTH = 20

/** Fewer characters in a row are in every second word. */
const MIN_SEQUENCE_LENGTH = 3
/** A shorter unit, over and over, is common whatever it is. */
const MIN_UNIT_LENGTH = 4
const MAX_FREE_DIGITS = 4

const KEYBOARDS = [
  'qwertyuiopasdfghjklzxcvbnm',
  'qwertzuiopasdfghjklyxcvbnm',
  'azertyuiopqsdfghjklmwxcvbn',
  'йцукенгшщзхъфывапролджэячсмитьбю',
  // Up and down, and from row to row.
  '1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik,9ol.0p;/',
  '1q2w3e4r5t6y7u8i9o0p',
  'q1w2e3r4t5y6u7i8o9p0',
]
const [CYRILLIC_KEYS, LATIN_KEYS] = ['йцукенгшщзхъфывапролджэячсмитьбюё', "qwertyuiop[]asdfghjkl;'zxcvbnm,.`"]
/** The digits of a keyboard with Shift. */
const SIGNS = '!@#$%^&*()_+'
// Counting goes on with 0 after 9, for as long as a password can be.
const LINES = [...KEYBOARDS, SIGNS, 'abcdefghijklmnopqrstuvwxyz', '0123456789'.repeat(14)]
const SEQUENCES = [...LINES, ...LINES.map(reversed)]

/** What may stand at the other side of a piece of padding. */
type Beside = 'anything' | 'letters'

/** Whether a password, in NFC and within its limits, is common by a list that `packPasswords` made. */
export function isCommonPassword(list: Uint8Array, password: string): boolean {
  const typed = password.toLowerCase()
  if (isPatterned(typed)) return true
  const cores = new Set([typed, onLatinKeys(typed)].flatMap((text) => [...coresOf(text)]))
  return [...cores].some(isPatterned) || hasAny(list, cores)
}

/** Whatever of a text in small letters has to be listed, or patterned, for the text to be common. */
export function coresOf(text: string): ReadonlySet<string> {
  const repeated = [...paddingLengths(text).keys()].flatMap((length) => unitsOf(text.slice(0, text.length - length)))
  return new Set([text, ...repeated].flatMap(withoutPadding))
}

/** Whether a text is made of sequences alone, or of two or three characters over and over. */
export function isPatterned(text: string): boolean {
  if (/^(..|...)\1+$/su.test(text)) return true
  const reached = [0]
  for (let end = MIN_SEQUENCE_LENGTH; end <= text.length; end++) {
    if (reached.some((start) => isSequence(text.slice(start, end)))) reached.push(end)
  }
  return text !== '' && reached.at(-1) === text.length
}

/** The passwords of a packed list, in their order: each is a byte, how many characters it shares with the one before, and the rest in ASCII. */
export function* unpackPasswords(list: Uint8Array): Generator<string, void> {
  let previous = ''
  for (const [, shared = '', rest = ''] of new TextDecoder().decode(list).matchAll(/([^!-~])([!-~]+)/g)) {
    previous = previous.slice(0, shared.charCodeAt(0)) + rest
    yield previous
  }
}

function hasAny(list: Uint8Array, cores: ReadonlySet<string>): boolean {
  for (const listed of unpackPasswords(list)) if (cores.has(listed)) return true
  return false
}

function onLatinKeys(text: string): string {
  return text.replace(/[а-яё]/gu, (letter) => LATIN_KEYS[CYRILLIC_KEYS.indexOf(letter)] ?? letter)
}

/** What a text repeats at least in part: the shortest such unit, and several of it, which may be what is listed. */
function unitsOf(text: string): readonly string[] {
  for (let length = MIN_UNIT_LENGTH; length < text.length; length++) {
    if (!text.startsWith(text.slice(length))) continue
    const units = Math.max(1, Math.floor(Math.min(text.length - 1, MAX_CORE_LENGTH) / length))
    return Array.from({ length: units }, (_, i) => text.slice(0, length * (i + 1)))
  }
  return []
}

/** What is left of a text without padding at its ends, and with it. */
export function withoutPadding(text: string): readonly string[] {
  const before = [...paddingLengths(reversed(text))]
  const behind = [...paddingLengths(text)]
  return before.flatMap(([start, left]) =>
    behind.flatMap(([length, right]) => {
      const core = text.slice(start, text.length - length)
      const needsLetters = left === 'letters' || right === 'letters'
      const isTaken = start + length < text.length && core.length <= MAX_CORE_LENGTH
      return isTaken && !(needsLetters && /^\d+$/.test(core)) ? [core] : []
    }),
  )
}

/** How long the padding at the end of a text may be taken to be. */
function paddingLengths(text: string): ReadonlyMap<number, Beside> {
  const lengths = new Map<number, Beside>([[0, 'anything']])
  const add = (length: number, beside: Beside) => {
    if (lengths.get(length) !== 'anything') lengths.set(length, beside)
  }
  for (const [last, beside] of piecesOf(text)) {
    add(last, beside)
    for (const [next, other] of piecesOf(text.slice(0, text.length - last))) {
      // Two times four free digits would be a secret of its own.
      if (beside === 'anything') add(last + next, other)
      else if (other === 'anything') add(last + next, beside)
    }
  }
  return lengths
}

/** How long one piece of padding at the end of a text may be. */
function piecesOf(text: string): readonly (readonly [number, Beside])[] {
  const pieces: [number, Beside][] = []
  for (let length = 1; length <= text.length; length++) {
    const piece = text.slice(text.length - length)
    if (isSequence(piece) || /^([^\p{L}\p{M}\p{N}])\1*$/u.test(piece)) pieces.push([length, 'anything'])
    else if (length <= MAX_FREE_DIGITS && /^\d+$/.test(piece)) pieces.push([length, 'letters'])
    // A piece that is longer than a sequence has to be would have this one at its end.
    else if (length >= MIN_SEQUENCE_LENGTH) break
  }
  return pieces
}

function isSequence(text: string): boolean {
  if (text.length < MIN_SEQUENCE_LENGTH) return false
  return /^(.)\1*$/su.test(text) || SEQUENCES.some((line) => line.includes(text))
}

function reversed(text: string): string {
  return Array.from(text).toReversed().join('')
}
