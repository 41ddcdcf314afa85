/**
 * The load client, a process of its own so that its CPU is not taken for the Worker's. It keeps connections and chains
 * between samples, works off a given number of operations, and is idle in between: so whoever reads the CPU of the
 * Worker before and after has read exactly those.
 */

import { type Connection, createConnection } from './connection.ts'
import { createOperation, type Operation, type Work } from './operations.ts'

export type Command =
  | {
      readonly do: 'prepare'
      readonly key: string
      readonly port: number
      readonly connections: number
      readonly work: Work
    }
  /** As many operations as one sample should have, if it is to last this long. */
  | { readonly do: 'warm'; readonly key: string; readonly seconds: number }
  | { readonly do: 'run'; readonly key: string; readonly operations: number }
  | { readonly do: 'sample'; readonly key: string }

export interface RunResult {
  readonly operations: number
  readonly seconds: number
  readonly p50Ms: number
  readonly p99Ms: number
}

export type Reply =
  | { readonly ok: true; readonly result: RunResult; readonly pairs: readonly { access: string; refresh: string }[] }
  | { readonly ok: false; readonly error: string }

interface Lane {
  readonly connection: Connection
  readonly operation: Operation
}

const lanes = new Map<string, readonly Lane[]>()
const nothing: RunResult = { operations: 0, seconds: 0, p50Ms: 0, p99Ms: 0 }

process.on('message', (command: Command) => {
  obey(command)
    .then((result) => reply({ ok: true, ...result }))
    .catch((error: unknown) => reply({ ok: false, error: error instanceof Error ? error.message : String(error) }))
})
process.on('disconnect', () => process.exit(0))

function reply(message: Reply): void {
  process.send?.(message)
}

async function obey(command: Command): Promise<Omit<Reply & { ok: true }, 'ok'>> {
  if (command.do === 'prepare') {
    const { key, port, connections, work } = command
    const own = Array.from({ length: connections }, (_, i) => ({
      connection: createConnection(port),
      operation: createOperation(work, i, connections),
    }))
    lanes.set(key, own)
    return { result: nothing, pairs: [] }
  }
  const own = lanes.get(command.key)
  if (own === undefined) throw new Error(`nothing prepared for ${command.key}`)
  switch (command.do) {
    case 'warm': {
      const end = performance.now() + command.seconds * 1000
      return { result: await workOff(own, () => performance.now() < end), pairs: [] }
    }
    case 'run': {
      let left = command.operations
      return { result: await workOff(own, () => left-- > 0), pairs: [] }
    }
    case 'sample':
      return { result: nothing, pairs: own.flatMap(({ operation }) => operation.sample() ?? []) }
  }
}

async function workOff(own: readonly Lane[], more: () => boolean): Promise<RunResult> {
  const durations: number[] = []
  const start = performance.now()
  await Promise.all(
    own.map(async ({ connection, operation }) => {
      while (more()) {
        const text = operation.request()
        const asked = performance.now()
        const answer = await connection.ask(text)
        durations.push(performance.now() - asked)
        operation.accept(answer)
      }
    }),
  )
  const seconds = (performance.now() - start) / 1000
  durations.sort((a, b) => a - b)
  const at = (share: number) => durations[Math.min(durations.length - 1, Math.floor(durations.length * share))] ?? 0
  return { operations: durations.length, seconds, p50Ms: at(0.5), p99Ms: at(0.99) }
}
