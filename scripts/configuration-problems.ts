/** Finds wrong values of the configuration, and says in a line each what to change. Values are never shown: some are secrets. */

import { CONFIG_KEYS, ConfigError, parseConfig } from '../src/config.ts'
import { nearestWord } from './nearest-word.ts'

/** The values of each source, by the name that a person has for it. A later source overrides an earlier one. */
export type Sources = Readonly<Record<string, Readonly<Record<string, unknown>>>>

/** Why these values cannot be used, in one line that names keys and where they are set. Undefined when they can. */
export function findProblem(sources: Sources): string | undefined {
  const merged: object = Object.assign({}, ...Object.values(sources))
  // The Worker's own message would say to run `npm start`, which is running.
  if (!('AUTH_SECRET' in merged && merged.AUTH_SECRET !== '')) {
    return 'Configuration: AUTH_SECRET is missing in .dev.vars. Delete that file, and npm start writes a new one.'
  }
  try {
    parseConfig(merged)
    return undefined
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    const places = CONFIG_KEYS.filter((key) => new RegExp(`\\b${key}\\b`).test(error.message)).flatMap((key) =>
      Object.keys(sources)
        .filter((source) => key in (sources[source] ?? {}))
        .slice(-1),
    )
    return `${error.message} (set in ${[...new Set(places)].join(' and ')})`
  }
}

/** A line for each key that Tessera does not know, with the one that was probably meant. */
export function findStrangers(sources: Sources): readonly string[] {
  return Object.entries(sources).flatMap(([source, values]) =>
    Object.keys(values)
      .filter((key) => !CONFIG_KEYS.includes(key))
      .map((key) => {
        const near = nearestWord(key, CONFIG_KEYS)
        return `${key} in ${source} is no key of the configuration${near === undefined ? '.' : `: did you mean ${near}?`}`
      }),
  )
}
