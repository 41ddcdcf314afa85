/**
 * CPU that a fresh workerd takes until it listens: the runtime itself, and the import of one bundle. Every start is a
 * process of its own, with neither bindings nor requests.
 */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createRequire } from 'node:module'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'

import type { Bundle, ModuleType } from './build.ts'
import { cpuBetween, readCpu } from './cpu.ts'
import { readWorkerOptions } from './worker-options.ts'

const { default: workerd } = createRequire(import.meta.url)('workerd') as { readonly default: string }

/** What workerd calls each type. */
const FIELDS: Readonly<Record<ModuleType, string>> = {
  ESModule: 'esModule',
  CompiledWasm: 'wasm',
  Data: 'data',
  Text: 'text',
}

/** Writes the configuration of the workerd that `startCpuMs` starts. */
export function writeConfig(bundle: Bundle, directory: string): string {
  mkdirSync(directory, { recursive: true })
  for (const { name, contents } of bundle.modules) writeFileSync(join(directory, name), contents)
  const { compatibilityDate, compatibilityFlags } = readWorkerOptions()
  const modules = bundle.modules.map(({ name, type }) => `(name = "${name}", ${FIELDS[type]} = embed "${name}")`)
  const flags = compatibilityFlags.map((flag) => `"${flag}"`)
  const config = join(directory, 'config.capnp')
  writeFileSync(
    config,
    `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "worker", worker = .worker)],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "worker")],
);
const worker :Workerd.Worker = (
  modules = [${modules.join(', ')}],
  compatibilityDate = "${compatibilityDate}",
  compatibilityFlags = [${flags.join(', ')}],
);
`,
  )
  return config
}

/** CPU in milliseconds of one start. */
export async function startCpuMs(config: string): Promise<number> {
  const child = spawn(workerd, ['serve', config, '--control-fd=3'], { stdio: ['ignore', 'ignore', 'pipe', 'pipe'] })
  let complaints = ''
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (complaints += text))
  const control = child.stdio[3]
  if (!(control instanceof Readable) || child.pid === undefined) throw new Error('workerd did not start')
  const listening = once(control, 'data')
  const event = await Promise.race([listening, once(child, 'exit')])
  if (!Buffer.isBuffer(event[0])) throw new Error(`workerd did not start:\n${complaints}`)
  const cpu = cpuBetween({ threads: new Map(), ticks: 0 }, readCpu(child.pid))
  child.kill('SIGKILL')
  await once(child, 'exit')
  return cpu
}
