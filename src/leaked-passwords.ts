/**
 * Passwords that are known from leaks, as Have I Been Pwned knows them (https://haveibeenpwned.com/API/v3#PwnedPasswords). It gets
 * the first 5 of the 40 hexadecimal digits of a SHA-1, which hundreds of passwords share, and answers with the others of all these.
 * `Add-Padding` makes every answer about as long, so that its length does not tell the prefix to whoever watches the line.
 */

import { inTime } from './domain/in-time.ts'

const RANGES_URL = 'https://api.pwnedpasswords.com/range/'
/** For the whole answer: somebody waits for it. */
const TIMEOUT_MILLISECONDS = 1000
/** Some eight times what an answer has. */
const MAX_ANSWER_BYTES = 512 * 1024
const PREFIX_LENGTH = 5

/** No answer that could be read. The message names neither the password nor anything that was made of it. */
export class LeakCheckError extends Error {
  override readonly name = 'LeakCheckError'
}

/** Whether a password, in NFC, was in a leak. Throws `LeakCheckError` where that could not be found out within a second. */
export async function isLeakedPassword(password: string, rangesUrl = RANGES_URL): Promise<boolean> {
  const hash = await sha1(password)
  const stop = new AbortController()
  let answer: string
  try {
    answer = await inTime(readRange(rangesUrl + hash.slice(0, PREFIX_LENGTH), stop.signal), TIMEOUT_MILLISECONDS)
  } catch (error) {
    // What a runtime says of a failed request may name its address, of which the prefix is the end.
    throw error instanceof LeakCheckError ? error : new LeakCheckError(nameOf(error))
  } finally {
    stop.abort()
  }
  const found = countsOf(answer).get(hash.slice(PREFIX_LENGTH))
  return found !== undefined && found > 0
}

async function readRange(url: string, signal: AbortSignal): Promise<string> {
  const response = await fetch(url, {
    headers: { 'Add-Padding': 'true', 'User-Agent': 'Tessera' },
    redirect: 'manual',
    signal,
  })
  if (response.status !== 200) throw new LeakCheckError(`HTTP ${response.status}`)
  return readText(response.body)
}

async function readText(body: ReadableStream<Uint8Array> | null): Promise<string> {
  // A range is ASCII, so that no character is in two chunks.
  const decoder = new TextDecoder()
  let [text, bytes] = ['', 0]
  for await (const chunk of body ?? []) {
    bytes += chunk.length
    if (bytes > MAX_ANSWER_BYTES) throw new LeakCheckError('an answer that is too long')
    text += decoder.decode(chunk)
  }
  return text
}

/** How often each of a range was leaked, by the rest of its hash; 0 for padding. */
function countsOf(answer: string): ReadonlyMap<string, number> {
  const lines = answer.trim().split(/\r?\n/)
  if (!lines.every((line) => /^[\dA-F]{35}:\d+$/.test(line))) throw new LeakCheckError('an answer of another form')
  return new Map(lines.map((line) => [line.slice(0, 35), Number(line.slice(36))]))
}

async function sha1(text: string): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-1', new TextEncoder().encode(text))
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, '0'))
    .join('')
    .toUpperCase()
}

function nameOf(error: unknown): string {
  return error instanceof Error ? error.name : 'unknown'
}
