/** CPU time and memory of processes, as the Linux kernel counts them. */

import { readdirSync, readFileSync } from 'node:fs'

/** The ticks of `/proc`: 100 a second on every Linux, whatever the frequency of its timer. */
const TICK_MILLISECONDS = 10

export interface CpuReading {
  /** Of every thread, in nanoseconds. */
  readonly threads: ReadonlyMap<string, number>
  /** utime + stime of the process, threads that ended included. */
  readonly ticks: number
}

export function readCpu(pid: number): CpuReading {
  const threads = new Map(
    readdirSync(`/proc/${pid}/task`).flatMap((tid): [string, number][] => {
      try {
        return [[tid, Number(readFileSync(`/proc/${pid}/task/${tid}/schedstat`, 'utf8').split(' ')[0])]]
      } catch {
        return [] // a thread that has just ended
      }
    }),
  )
  return { threads, ticks: processTicks(pid) }
}

/** CPU between two readings, in milliseconds. Ticks are used only where a thread ended, since its nanoseconds are gone with it. */
export function cpuBetween(before: CpuReading, after: CpuReading): number {
  if ([...before.threads.keys()].some((tid) => !after.threads.has(tid))) {
    return (after.ticks - before.ticks) * TICK_MILLISECONDS
  }
  let nanoseconds = 0
  for (const [tid, time] of after.threads) nanoseconds += time - (before.threads.get(tid) ?? 0)
  return nanoseconds / 1e6
}

function processTicks(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  // Field 2, the name, may hold spaces; utime and stime are fields 14 and 15.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return Number(fields[11]) + Number(fields[12])
}

/** CPU that the machine spent so far on anything at all, time taken by its host included, in milliseconds. */
export function machineBusy(): number {
  const line = readFileSync('/proc/stat', 'utf8').split('\n', 1)[0] ?? ''
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = line.split(/ +/).slice(1).map(Number)
  return (user + nice + system + irq + softirq + steal) * TICK_MILLISECONDS
}

/** Resident memory in MiB. */
export function residentMiB(pid: number): number {
  const kib = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
  return Number(kib) / 1024
}

/** The running children of this process that are called `name`. */
export function childrenNamed(name: string): readonly number[] {
  return readdirSync('/proc/self/task')
    .flatMap((tid) => readFileSync(`/proc/self/task/${tid}/children`, 'utf8').trim().split(' '))
    .filter(Boolean)
    .map(Number)
    .filter((pid) => readFileSync(`/proc/${pid}/comm`, 'utf8').trim() === name)
}
