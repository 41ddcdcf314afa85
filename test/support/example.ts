/** Runs a program of `examples/` as a person does: `node examples/…`. */

import { join } from 'node:path'

import { runCommand } from './command.ts'

export interface Example {
  /** Where it listens on this machine. */
  readonly port: number
  readonly stop: () => Promise<unknown>
}

const root = join(import.meta.dirname, '../..')

/** Starts one that serves, and resolves once it listens. Takes a quarter of a second. */
export async function startExample(file: string, variables: Readonly<Record<string, string>>): Promise<Example> {
  const env = { ...process.env, PORT: '0', NODE_NO_WARNINGS: '1', ...variables }
  const command = runCommand(process.execPath, [join(root, 'examples', file)], { cwd: root, env })
  await command.shows(' listens on port ')
  return { port: Number(/listens on port (\d+)/.exec(command.text())?.[1]), stop: () => command.stop() }
}
