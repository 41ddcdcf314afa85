/** Runs wrangler without questions and without telemetry. */

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createRequire } from 'node:module'
import { constants } from 'node:os'
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

export const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/** Runs wrangler to its end; a signal, Ctrl-C above all, ends it and this process. Its output, both streams in one text, is also shown where `show` is set. */
export async function runWrangler(args: readonly string[], show: boolean): Promise<{ ok: boolean; output: string }> {
  const child = startWrangler(args)
  // Its commands may finish what they began in spite of a SIGINT, and nobody would be left to watch them.
  const stop = (signal: NodeJS.Signals) => {
    if (child.pid !== undefined && child.exitCode === null) process.kill(-child.pid, 'SIGKILL')
    process.exit(128 + constants.signals[signal])
  }
  for (const signal of SIGNALS) process.once(signal, stop)
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => {
      output += text
      if (show) process.stdout.write(text)
    })
  }
  const [code] = await once(child, 'close')
  for (const signal of SIGNALS) process.off(signal, stop)
  return { ok: code === 0, output }
}
