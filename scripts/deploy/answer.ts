/** One question of a deploy. A flag, an earlier run or somebody at the terminal answers it. */

import { explain } from './cloudflare.ts'
import { DeployProblem } from './problem.ts'
import type { Prompt } from './prompt.ts'

export interface Question<T> {
  /** The flag that answers it, such as `--domain DOMAIN`, for the error where nobody can be asked. */
  readonly flag: string
  readonly given: string | undefined
  /** The answer of an earlier run. */
  readonly kept: string | undefined
  readonly text: string
  /** The answer that an empty line stands for; without it, an empty line is asked again. */
  readonly empty?: string
  /** Checks an answer. A `DeployProblem` that it throws is shown, and the question asked again. */
  readonly parse: (text: string) => T | Promise<T>
}

/** The checked answer. Throws `DeployProblem` for a flag that is refused, or one that is missing where nobody can be asked. */
export async function answer<T>(prompt: Prompt | null, question: Question<T>): Promise<T> {
  const known = question.given ?? question.kept
  if (known !== undefined) return question.parse(known)
  if (prompt === null) throw new DeployProblem(`Nobody to ask here: give ${question.flag}.`)
  for (;;) {
    const text = (await prompt.ask(question.text)) || question.empty
    if (text === undefined) continue
    try {
      return await question.parse(text)
    } catch (error) {
      const line = explain(error)
      if (line === null) throw error
      console.log(`  ${line}`)
    }
  }
}
