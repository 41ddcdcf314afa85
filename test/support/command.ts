/** Runs a command as a person does at a terminal: its output is read while it runs, and Ctrl-C reaches all of it. */

import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'

export interface Command {
  readonly child: ChildProcess
  /** Everything that it printed so far, both streams in one. */
  text(): string
  /** Resolves once it has printed this, and fails when it ends without. */
  shows(expected: string | RegExp): Promise<void>
  /** What Ctrl-C does: its whole process group gets the signal. */
  press(): void
  /** Presses Ctrl-C and resolves to the exit code. */
  stop(): Promise<number | null>
  /** Resolves to the exit code. */
  ended(): Promise<number | null>
}

export function runCommand(
  command: string,
  args: readonly string[],
  { cwd, env = process.env }: { cwd: string; env?: NodeJS.ProcessEnv },
): Command {
  let text = ''
  const child = spawn(command, args, { cwd, detached: true, env })
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
  }
  const exit = once(child, 'close').then(([code]) => code as number | null)
  const press = () => {
    if (child.pid !== undefined && child.exitCode === null) process.kill(-child.pid, 'SIGINT')
  }
  return {
    child,
    text: () => text,
    shows: (expected) =>
      new Promise((resolve, reject) => {
        const look = () => isIn(text, expected) && resolve()
        for (const stream of [child.stdout, child.stderr]) stream.on('data', look)
        void exit.then(() => reject(new Error(`${command} ended before it printed «${String(expected)}»:\n${text}`)))
        look()
      }),
    press,
    stop: () => {
      press()
      return exit
    },
    ended: () => exit,
  }
}

function isIn(text: string, expected: string | RegExp): boolean {
  return typeof expected === 'string' ? text.includes(expected) : expected.test(text)
}

/** All processes that a process started, and those that they started. */
export function descendants(ancestor: number | undefined): readonly number[] {
  const processes = execFileSync('ps', ['-eo', 'pid=,ppid='], { encoding: 'utf8' })
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/\s+/).map(Number))
  const children = (parent: number): number[] =>
    processes.filter(([, ppid]) => ppid === parent).flatMap(([pid = 0]) => [pid, ...children(pid)])
  return ancestor === undefined ? [] : children(ancestor)
}

/** The command line of a process; empty when it has ended. */
export function commandLine(pid: number): string {
  try {
    return execFileSync('ps', ['-o', 'args=', '-p', String(pid)], { encoding: 'utf8' }).trim()
  } catch {
    return ''
  }
}

export function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

/**
 * A port that nobody listens on. It is not one of those that the system hands out (32768 and above on Linux): a command that installs first would
 * find such a one taken by then.
 */
export async function freePort(): Promise<number> {
  const port = 20_000 + Math.floor(Math.random() * 12_000)
  const server = createServer()
  const isFree = new Promise<boolean>((resolve) => {
    server.once('error', () => resolve(false)).listen(port, '127.0.0.1', () => resolve(true))
  })
  if (!(await isFree)) return freePort()
  server.close()
  await once(server, 'close')
  return port
}

export function portOf(address: AddressInfo | string | null): number {
  if (address === null || typeof address === 'string') throw new Error('not listening')
  return address.port
}
