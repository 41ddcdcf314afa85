/**
 * A filter for the output of `wrangler dev`, which leaves out lists of bindings and notes about how it works. A block is known by
 * the shape of its lines, so that whatever is not known here, warnings and errors above all, is printed as it is.
 */

import { stripVTControlCharacters } from 'node:util'

interface Block {
  readonly first: RegExp
  /** The lines that may follow; the first other one ends the block. */
  readonly further?: RegExp
}

const NOISE: readonly Block[] = [
  { first: /^\[custom build\] Running: / },
  { first: /^Attaching additional modules:$/, further: /^[┌├└│].*[┐┤┘│]$/ },
  // The process of a failed build, after what esbuild has printed.
  { first: /^✘ \[ERROR\] \w+ \[Error\]: Process exited with non-zero status/, further: /^$|^ {2}/ },
  { first: /^Using secrets defined in / },
  {
    first: /^Your Worker has access to the following bindings:$/,
    further: /^$|^Binding +Resource( +Mode)?$|^env\.\w+ .* (local|remote|not supported)$/,
  },
  {
    first: /^▲ \[WARNING\] Scheduled Workers are not automatically triggered during local development\.$/,
    further: /^$|^ {2}To manually trigger a scheduled event, run:$|^ {4}curl "http|^ {2}For more details, see https:/,
  },
  { first: /^⎔ (Starting local server\.\.\.|Connection status updated)$/ },
]

const READY = /^(?:\[wrangler:info\] )?Ready on (https?:\/\/[\w.:[\]-]+)$/

/** Takes the output of `wrangler dev` as it comes, colours included, and gives the lines that are left to `write`. */
export function createDevOutput(write: (text: string) => void, onReady: (origin: string) => void) {
  let partial = ''
  let isReady = false
  let block: Block | undefined

  function take(line: string): void {
    const text = stripVTControlCharacters(line).trimEnd()
    if (block?.further?.test(text)) return
    block = NOISE.find(({ first }) => first.test(text))
    if (block !== undefined) return
    const origin = isReady ? undefined : READY.exec(text)?.[1]
    if (origin === undefined) return write(`${line}\n`)
    isReady = true
    onReady(origin)
  }

  return {
    push(text: string): void {
      const lines = (partial + text).split('\n')
      partial = lines.pop() ?? ''
      lines.forEach(take)
    },
    end(): void {
      if (partial !== '') write(partial)
      partial = ''
    },
  }
}
