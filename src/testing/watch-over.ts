/**
 * A workerd does not notice that the process is gone which started it. A shell does: it reads a pipe whose other end this process holds, and once that
 * is closed, however this process ended, it ends the workerd.
 */

import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'

/** Ends what is named as process ids, if it still is a workerd: the number of a process that ended may be another's. */
const SCRIPT = `read -r _
for pid do
  case "$(cat "/proc/$pid/comm" 2>/dev/null || ps -o comm= -p "$pid")" in *workerd*) kill -9 "$pid" ;; esac
done`

interface Watch {
  /** The workerd that was started since the watch began is up. */
  readonly found: () => void
  /** It was ended in good order. */
  readonly end: () => void
}

/** Begins a watch over the workerd that this process is about to start. Windows has no such shell, and gets none. */
export function watchOver(): Watch {
  if (process.platform === 'win32') return { found() {}, end() {} }
  const before = new Set(workerds())
  let shell: ChildProcess | undefined
  return {
    found() {
      const started = workerds().filter((pid) => !before.has(pid))
      // A group of its own: a Ctrl-C at the terminal must not end it before its work is done.
      const child = spawn('/bin/sh', ['-c', SCRIPT, 'sh', ...started.map(String)], {
        stdio: ['pipe', 'ignore', 'ignore'],
        detached: true,
      })
      child.on('error', () => undefined)
      child.unref()
      if (child.stdin !== null && 'unref' in child.stdin && typeof child.stdin.unref === 'function') child.stdin.unref()
      shell = child
    },
    end() {
      shell?.kill('SIGKILL')
    },
  }
}

/** Every workerd that this process started. */
function workerds(): readonly number[] {
  return processes()
    .filter(({ parent, name }) => parent === process.pid && name.includes('workerd'))
    .map(({ pid }) => pid)
}

interface Running {
  readonly pid: number
  readonly parent: number
  readonly name: string
}

function processes(): readonly Running[] {
  if (process.platform !== 'linux') {
    const lines = execFileSync('ps', ['-Ao', 'pid=,ppid=,comm='], { encoding: 'utf8' }).trim().split('\n')
    return lines.map((line) => {
      const [pid, parent, ...name] = line.trim().split(/\s+/)
      return { pid: Number(pid), parent: Number(parent), name: name.join(' ') }
    })
  }
  // The slim images of Node have no `ps`.
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        const [, name = '', parent] = /\((.*)\) \S (\d+)/s.exec(readFileSync(`/proc/${pid}/stat`, 'utf8')) ?? []
        return [{ pid: Number(pid), parent: Number(parent), name }]
      } catch {
        return [] // a process that has just ended
      }
    })
}
