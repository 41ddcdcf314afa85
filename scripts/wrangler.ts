/** Runs wrangler without questions and without telemetry. */

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createRequire } from 'node:module'
import { constants } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

export const root = join(import.meta.dirname, '..')

export const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/**
 * Starts wrangler in a process group of its own, so that everything it starts can be signalled together. With `merged`, both
 * its streams come as its standard output, in the order in which they were written.
 */
export function startWrangler(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  merged = false,
): ChildProcess {
  const command = [process.execPath, findWrangler(), ...args]
  const [file = '', ...rest] = merged ? ['sh', '-c', 'exec "$@" 2>&1', 'sh', ...command] : command
  return spawn(file, rest, {
    cwd: root,
    detached: true,
    // No standard input: wrangler answers its own questions with their defaults.
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, WRANGLER_SEND_METRICS: 'false', WRANGLER_HIDE_BANNER: 'true', ...env },
  })
}

function findWrangler(): string {
  return join(dirname(createRequire(import.meta.url).resolve('wrangler/package.json')), 'bin/wrangler.js')
}

/** Sends a signal to wrangler and to everything that it started. False when none of it is left. */
export function signalGroup({ pid }: ChildProcess, signal: NodeJS.Signals | 0): boolean {
  try {
    return pid !== undefined && process.kill(-pid, signal)
  } catch {
    return false
  }
}

/** Resolves when no process of wrangler is left, or after this time: a shell shows its prompt only then. */
export async function groupEnded(child: ChildProcess, patienceMs: number): Promise<void> {
  for (let waited = 0; waited < patienceMs && signalGroup(child, 0); waited += 20) await sleep(20)
}

/** Runs wrangler to its end; a signal, Ctrl-C above all, ends it and this process. Its output, both streams in one text, is also shown where `show` is set. */
export async function runWrangler(
  args: readonly string[],
  show: boolean,
  env: Readonly<Record<string, string>> = {},
): Promise<{ ok: boolean; output: string }> {
  const child = startWrangler(args, env)
  let ending: Promise<never> | undefined
  const stop = (signal: NodeJS.Signals) => {
    // A command of wrangler may go on in spite of a SIGINT, and nobody would see it any more.
    signalGroup(child, 'SIGKILL')
    ending ??= groupEnded(child, 2000).then(() => process.exit(128 + constants.signals[signal]))
  }
  const abandon = () => signalGroup(child, 'SIGKILL')
  process.on('exit', abandon)
  for (const signal of SIGNALS) process.on(signal, stop)
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => {
      output += text
      if (show) process.stdout.write(text)
    })
  }
  const [code] = await once(child, 'close')
  await ending
  process.off('exit', abandon)
  for (const signal of SIGNALS) process.off(signal, stop)
  return { ok: code === 0, output }
}
