/** The lines that a deploy prints, one a step, and wrangler where a step is its. */

import { relative } from 'node:path'

import { root, runWrangler } from '../wrangler.ts'
import { explainWranglerOutput } from './explain.ts'
import { DeployProblem } from './problem.ts'

const LABEL_WIDTH = 11

/** Names a step while it runs, then says what came of it. */
export async function step<T extends { readonly said: string }>(label: string, work: () => Promise<T>): Promise<T> {
  process.stdout.write(label.padEnd(LABEL_WIDTH))
  try {
    const result = await work()
    process.stdout.write(`${result.said}\n`)
    return result
  } catch (error) {
    process.stdout.write('stopped\n')
    throw error
  }
}

/** Runs wrangler quietly and returns what it printed. Throws `DeployProblem`, with its own words where there are no better ones. */
export async function wrangle(args: readonly string[], env: Readonly<Record<string, string>>): Promise<string> {
  const { ok, output } = await runWrangler(args, false, env)
  if (ok) return output
  throw new DeployProblem(
    explainWranglerOutput(output) ?? `wrangler ${args.slice(0, 2).join(' ')} failed:\n\n${output.trim()}`,
  )
}

/** A path as it is typed from the root of the checkout. */
export function shown(path: string): string {
  return relative(root, path)
}
