/**
 * The list of the most used passwords, packed. It comes from `@zxcvbn-ts/language-common`, which has those that were seen more than
 * ten times among the ten million that Mark Burnett published in 2015, in small letters.
 */

import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'

import { isPatterned, MAX_CORE_LENGTH, withoutPadding } from '../src/domain/accounts/most-used-passwords.ts'

/** The file that the Worker loads, from the repository's root. */
export const PACKED_PASSWORDS = 'src/domain/accounts/most-used-passwords.bin'

/** The passwords of the package, the most used one first. */
export function readPasswords(): readonly string[] {
  const path = createRequire(import.meta.url).resolve('@zxcvbn-ts/language-common/src/passwords.json')
  return JSON.parse(readFileSync(path, 'utf8')) as string[]
}

/**
 * Sorted passwords, each as a byte, how many characters it shares with the one before, and the rest. A password is left out that is
 * another one with padding, as `password1` is `password`. One that repeats another is not: `starwars` is `starwar` over and over, but
 * `starwarsstarwars` is not. Throws `RangeError` for one that does not fit into that form.
 */
export function packPasswords(passwords: readonly string[]): Uint8Array {
  const kept = new Set<string>()
  for (const password of passwords.toSorted((a, b) => a.length - b.length)) {
    if (password.length > MAX_CORE_LENGTH || !/^[!-~]+$/.test(password) || /[A-Z]/.test(password)) {
      throw new RangeError('a password that cannot be packed')
    }
    if (!withoutPadding(password).some((core) => kept.has(core) || isPatterned(core))) kept.add(password)
  }
  const sorted = [...kept].toSorted()
  const parts = sorted.map((password, i) => {
    const shared = sharedLength(sorted[i - 1] ?? '', password)
    return String.fromCharCode(shared) + password.slice(shared)
  })
  return new TextEncoder().encode(parts.join(''))
}

function sharedLength(one: string, other: string): number {
  let length = 0
  while (length < one.length && one[length] === other[length]) length++
  return length
}
