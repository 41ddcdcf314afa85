/** Passwords and hashes, read where no list of processes and no history of a shell shows them. */

import { openPrompt } from '../deploy/prompt.ts'
import type { CommandLine } from './command-line.ts'
import { UsageProblem, UsersProblem } from './problem.ts'

/** More than any password or hash that is taken. */
const MAX_BYTES = 16_384

/** The first line of standard input, without its line break. Throws `UsersProblem` where there is none. */
export async function readSecretLine(what: string): Promise<string> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of process.stdin) {
    const bytes = Buffer.isBuffer(chunk) ? chunk : Buffer.from(String(chunk))
    chunks.push(bytes)
    size += bytes.length
    if (bytes.includes(0x0a) || size > MAX_BYTES) break
  }
  const [line = ''] = Buffer.concat(chunks).toString('utf8').split(/\r?\n/)
  if (line === '') throw new UsersProblem(`Standard input has no ${what} in its first line.`)
  if (size > MAX_BYTES) throw new UsersProblem(`Standard input has no ${what}, but a line that is longer than any.`)
  return line
}

/** Asks twice for a new password, which is not shown. Throws `UsageProblem` where nobody can be asked. */
export async function askNewPassword(): Promise<string> {
  const prompt = openPrompt()
  if (prompt === null) throw new UsageProblem('Nobody to ask here: give it by --password-stdin.')
  for (;;) {
    const password = await prompt.askHidden('New password: ')
    if (password === '') continue
    if ((await prompt.askHidden('Once more: ')) === password) return password
    console.error('These are two different ones.')
  }
}

/** Asks for a word that somebody who means it types. Throws `UsageProblem` where nobody can be asked. */
export async function askToConfirm(question: string, word: string): Promise<boolean> {
  const prompt = openPrompt()
  if (prompt === null) throw new UsageProblem('Nobody to ask here: --yes says that it is meant.')
  return (await prompt.ask(question)) === word
}

/** The password or the hash of a command line, from standard input or the terminal. */
export async function newSecret(line: CommandLine): Promise<{ password?: string; password_hash?: string }> {
  if (line.has('password-stdin')) return { password: await readSecretLine('password') }
  if (line.has('hash-stdin')) return { password_hash: await readSecretLine('password hash') }
  return line.has('password') ? { password: await askNewPassword() } : {}
}
