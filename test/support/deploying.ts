/** Runs `npm run deploy` in a copy of this repository, against the stand-in of Cloudflare. */

import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'

import { copyCheckout } from './checkout.ts'
import { type Call, type CloudflareApi, commandEnvironment, startCloudflareApi } from './cloudflare-api.ts'

const root = join(import.meta.dirname, '../..')

/** Whatever a run prints that is as good as a red one. */
export const ALARMING = /Couldn't find|✘|ERROR|WARNING|\bat .+:\d+:\d+/

type Environment = Readonly<Record<string, string>>

export interface Run {
  readonly code: number | null
  readonly output: string
}

export interface Checkout {
  readonly api: CloudflareApi
  /** Of the copy. */
  readonly path: string
  readonly deploy: (args?: readonly string[], env?: Environment) => Promise<Run>
  /** Kills the run with `signal` once a change was carried out, before it is answered. */
  readonly killedAfter: (signal: NodeJS.Signals, isIt: (call: Call) => boolean, args: readonly string[]) => Promise<Run>
  /** Types each answer when its question has appeared, in a terminal. */
  readonly dialogue: (answers: readonly (readonly [string, string])[], env?: Environment) => Promise<Run>
  /** What a file in `.deploy` says. */
  readonly kept: (file: string) => Record<string, string>
  readonly [Symbol.asyncDispose]: () => Promise<void>
}

export async function checkout(): Promise<Checkout> {
  const api = await startCloudflareApi()
  const path = copyCheckout('deploy', { installed: true })
  const environment: Environment = {
    ...commandEnvironment(path, api),
    NODE_OPTIONS: `--import=${join(root, 'test/support/reroute.ts')} --disable-warning=ExperimentalWarning`,
  }
  const start = (args: readonly string[], env: Environment = {}) =>
    spawn(process.execPath, ['scripts/deploy.ts', ...args], {
      cwd: path,
      stdio: ['ignore', 'pipe', 'pipe'],
      // The type has the keys of the Worker, which are none of this process.
      env: { ...environment, ...env } as NodeJS.ProcessEnv,
    })
  return {
    api,
    path,
    deploy: (args = [], env = {}) => end(start(args, env)),
    killedAfter(signal, isIt, args) {
      const child = start(args)
      api.afterChange = (call) => {
        if (!isIt(call)) return false
        api.afterChange = () => false
        return child.kill(signal)
      }
      return end(child)
    },
    dialogue(answers, env = {}) {
      const child = spawn('script', ['-qfec', `exec "${process.execPath}" scripts/deploy.ts`, '/dev/null'], {
        cwd: path,
        env: { ...environment, ...env } as NodeJS.ProcessEnv,
      })
      let text = ''
      let next = 0
      child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk
        const [question, answer] = answers[next] ?? []
        if (question === undefined || answer === undefined || !text.includes(question)) return
        text = ''
        next += 1
        child.stdin.write(answer)
      })
      return end(child)
    },
    kept: (file) => JSON.parse(readFileSync(join(path, '.deploy', file), 'utf8')) as Record<string, string>,
    async [Symbol.asyncDispose]() {
      await api.close()
      rmSync(path, { recursive: true, force: true })
    },
  }
}

async function end(child: ChildProcess): Promise<Run> {
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream?.setEncoding('utf8').on('data', (text: string) => (output += text))
  const code = await new Promise<number | null>((done) => child.on('close', done))
  return { code, output }
}
