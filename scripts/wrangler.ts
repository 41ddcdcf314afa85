/** Runs wrangler without questions and without telemetry. */

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

export const root = join(import.meta.dirname, '..')

const wrangler = join(dirname(createRequire(import.meta.url).resolve('wrangler/package.json')), 'bin/wrangler.js')

/** Starts wrangler in a process group of its own, so that everything it starts can be signalled together. */
export function startWrangler(args: readonly string[], env: Readonly<Record<string, string>> = {}): ChildProcess {
  return spawn(process.execPath, [wrangler, ...args], {
    cwd: root,
    detached: true,
    // No standard input: wrangler answers its own questions with their defaults.
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, WRANGLER_SEND_METRICS: 'false', WRANGLER_HIDE_BANNER: 'true', ...env },
  })
}

/** Runs wrangler to its end. Its output, both streams in one text, is also shown where `show` is set. */
export async function runWrangler(args: readonly string[], show: boolean): Promise<{ ok: boolean; output: string }> {
  const child = startWrangler(args)
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => {
      output += text
      if (show) process.stdout.write(text)
    })
  }
  const [code] = await once(child, 'close')
  return { ok: code === 0, output }
}
