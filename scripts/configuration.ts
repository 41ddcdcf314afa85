/**
 * Checks the configuration of a local Tessera before the Worker starts. wrangler itself reads it, so that these are the values
 * that the Worker will get.
 */

import { relative, resolve } from 'node:path'

import { unstable_getVarsForDev, unstable_readConfig } from 'wrangler'

import { basePathOf } from '../src/config.ts'
import { findProblem, findStrangers, type Sources } from './configuration-problems.ts'
import { valueOf, valuesOf } from './dev-options.ts'
import { root } from './wrangler.ts'

/** What `wrangler dev` serves when nothing says otherwise. */
const DEFAULT_PORT = 8787

export interface CheckedConfiguration {
  /** Why it cannot be used, in one line; undefined when it can. */
  readonly problem: string | undefined
  /** A line for each unknown key, with the one that was probably meant. */
  readonly hints: readonly string[]
  /** What stands before every path, or `''`. */
  readonly basePath: string
  /** The port that is served unless it is taken. */
  readonly port: number
}

/** Checks what `wrangler dev` with these arguments would give to the Worker. */
export function checkConfiguration(args: readonly string[]): CheckedConfiguration {
  const config = valueOf(args, '--config', '-c') ?? 'wrangler.toml'
  const port = valueOf(args, '--port')
  try {
    const { sources, configuredPort } = readSources(args, resolve(root, config))
    return {
      problem: findProblem(sources),
      hints: findStrangers(sources),
      basePath: basePathOf(Object.assign({}, ...Object.values(sources)) as object),
      port: Number(port ?? configuredPort ?? DEFAULT_PORT),
    }
  } catch (error) {
    // wrangler throws for a file that it cannot read, and its message has the reason.
    if (!(error instanceof Error)) throw error
    return { problem: `${config}: ${error.message}`, hints: [], basePath: '', port: DEFAULT_PORT }
  }
}

function readSources(
  args: readonly string[],
  configPath: string,
): { sources: Sources; configuredPort: number | undefined } {
  const env = valueOf(args, '--env', '-e')
  const envFiles = valuesOf(args, '--env-file')
  const { vars, dev } = unstable_readConfig({ config: configPath, env }, { hideWarnings: true })
  const secrets = unstable_getVarsForDev(configPath, [...envFiles], {}, env, true)
  const sources = {
    [relative(root, configPath)]: vars,
    [envFiles.join(', ') || '.dev.vars']: Object.fromEntries(
      Object.entries(secrets).map(([key, binding]) => [key, 'value' in binding ? binding.value : binding]),
    ),
    '--var': Object.fromEntries(valuesOf(args, '--var').map(splitAtColon)),
  }
  return { sources, configuredPort: dev.port }
}

function splitAtColon(text: string): [string, string] {
  const [key = '', ...value] = text.split(':')
  return [key, value.join(':')]
}
