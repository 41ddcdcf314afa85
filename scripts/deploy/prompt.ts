/** Questions in a terminal. Without one nothing is asked. */

import { createInterface } from 'node:readline/promises'
import { Writable } from 'node:stream'

const INTERRUPTED = 130

export interface Prompt {
  /** What was typed, without the spaces around it. */
  readonly ask: (question: string) => Promise<string>
  /** What was typed, to the letter, and not shown. */
  readonly askHidden: (question: string) => Promise<string>
}

/** `null` where nobody can answer: in a pipe, in a build. */
export function openPrompt(): Prompt | null {
  if (!process.stdin.isTTY || !process.stdout.isTTY) return null
  return {
    ask: async (question) => (await read(question, false)).trim(),
    askHidden: (question) => read(question, true),
  }
}

/** The terminal is raw only while it waits for an answer, so that Ctrl-C reaches whatever runs in between. */
async function read(question: string, hidden: boolean): Promise<string> {
  const silence = new Writable({ write: (_chunk, _encoding, done) => done() })
  const reader = hidden
    ? createInterface({ input: process.stdin, output: silence, terminal: true })
    : createInterface({ input: process.stdin, output: process.stdout })
  // The question comes after the reader has silenced the terminal, so that letters that are typed ahead do not show either.
  if (hidden) process.stdout.write(question)
  reader.once('SIGINT', leave).once('close', leave)
  const answer = await reader.question(hidden ? '' : question)
  reader.off('close', leave).close()
  if (hidden) process.stdout.write('\n')
  return answer
}

/** Ctrl-C and Ctrl-D end the run; what was answered before is kept. */
function leave(): never {
  process.stdout.write('\n')
  process.exit(INTERRUPTED)
}
