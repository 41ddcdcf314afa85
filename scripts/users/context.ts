/** What a command works with: whom it asks, what its command line says, and where its answer goes. */

import type { Client } from './client.ts'
import type { CommandLine } from './command-line.ts'
import type { Paint } from './paint.ts'
import { UsageProblem } from './problem.ts'

export interface Context {
  readonly client: Client
  readonly line: CommandLine
  readonly out: Output
}

/** Either JSON for programs or lines for people. */
export interface Output {
  readonly isJson: boolean
  readonly paint: Paint
  /** Of the terminal; undefined in a pipe. */
  readonly width: number | undefined
  /** One value: as a line of JSON, or as the lines that `words` makes for people. */
  readonly one: (value: unknown, words: () => string) => void
  /** A remark beside the answer, which programs do not read. */
  readonly remark: (text: string) => void
}

const DEFAULT_LIMIT = 50

/** How many entries of a list are wanted. Throws `UsageProblem`. */
export function limitOf({ has, value }: CommandLine): number {
  const text = value('limit')
  if (has('all')) {
    if (text !== undefined) throw new UsageProblem('--limit and --all contradict each other.')
    return Infinity
  }
  if (text === undefined) return DEFAULT_LIMIT
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new UsageProblem(`--limit ${text} is no number of entries.`)
  return Number(text)
}

/** Throws `UsageProblem` where more than one of these options is there. */
export function atMostOne({ has }: CommandLine, ...names: readonly Parameters<CommandLine['has']>[0][]): void {
  const [first, second] = names.filter((name) => has(name))
  if (second !== undefined) throw new UsageProblem(`--${first} and --${second} contradict each other.`)
}
