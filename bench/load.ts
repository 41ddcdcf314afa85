/** The harness's end of the load client. */

import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'

import type { Command, Reply, RunResult } from './client.ts'
import type { Work } from './operations.ts'

export interface Load {
  readonly pid: number
  readonly prepare: (key: string, port: number, connections: number, work: Work) => Promise<void>
  readonly warm: (key: string, seconds: number) => Promise<RunResult>
  readonly run: (key: string, operations: number) => Promise<RunResult>
  /** The last pair that each connection got. */
  readonly sample: (key: string) => Promise<readonly { access: string; refresh: string }[]>
  readonly stop: () => void
}

/** A load client. Every method rejects, with the answer in the message, as soon as one answer is not the right one. */
export function startLoad(): Load {
  const child: ChildProcess = fork(join(import.meta.dirname, 'client.ts'), { serialization: 'advanced' })
  const { pid } = child
  if (pid === undefined) throw new Error('the load client did not start')

  const died = once(child, 'exit').then((): never => {
    throw new Error('the load client died')
  })
  died.catch(() => {}) // at the end it may

  async function command(message: Command): Promise<Reply & { ok: true }> {
    const replied = new Promise<Reply>((resolve) => child.once('message', resolve))
    child.send(message)
    const reply = await Promise.race([replied, died])
    if (!reply.ok) throw new Error(`${message.key}: ${reply.error}`)
    return reply
  }

  return {
    pid,
    async prepare(key, port, connections, work) {
      await command({ do: 'prepare', key, port, connections, work })
    },
    warm: async (key, seconds) => (await command({ do: 'warm', key, seconds })).result,
    run: async (key, operations) => (await command({ do: 'run', key, operations })).result,
    sample: async (key) => (await command({ do: 'sample', key })).pairs,
    stop: () => child.disconnect(),
  }
}
