/** Runs `wrangler dev` as a child: its output is filtered, and no process of it is left behind. */

import { once } from 'node:events'
import { stripVTControlCharacters } from 'node:util'

import { createDevOutput } from './dev-output.ts'
import { groupEnded, SIGNALS, signalGroup, startWrangler } from './wrangler.ts'

/** One Ctrl-C arrives several times: from the terminal, and from npm, which passes it on. */
const ONE_PRESS_MS = 400
/** For how long wrangler may take to end once it was asked to. */
const PATIENCE_MS = 5000

/** Runs `wrangler dev` to its end, and resolves to the exit code. `onReady` gets the origin that it serves. */
export async function runDevServer(args: readonly string[], onReady: (origin: string) => void): Promise<number> {
  const isPlain = !process.stdout.isTTY || process.env['NO_COLOR'] !== undefined
  const child = startWrangler(
    ['dev', '--show-interactive-dev-session=false', ...args],
    // Without `CLOUDFLARE_CF_FETCH_ENABLED`, wrangler fetches a sample of `request.cf` from the network.
    { CLOUDFLARE_CF_FETCH_ENABLED: 'false', ...(!isPlain && { FORCE_COLOR: '1' }) },
    true,
  )
  // wrangler colours its errors in a pipe, too.
  const output = createDevOutput(
    (text) => process.stdout.write(isPlain ? stripVTControlCharacters(text) : text),
    onReady,
  )
  child.stdout?.setEncoding('utf8').on('data', (text: string) => output.push(text))

  let askedAt: number | undefined
  function stop(signal: NodeJS.Signals): void {
    if (askedAt === undefined) {
      askedAt = Date.now()
      signalGroup(child, signal)
      setTimeout(() => signalGroup(child, 'SIGKILL'), PATIENCE_MS).unref()
    } else if (Date.now() - askedAt > ONE_PRESS_MS) {
      signalGroup(child, 'SIGKILL')
    }
  }
  for (const signal of SIGNALS) process.on(signal, stop)
  process.on('exit', () => signalGroup(child, 'SIGKILL'))
  // The reader of the output has ended, as with `npm start | head`.
  process.stdout.on('error', () => stop('SIGTERM'))

  const [code] = await once(child, 'exit')
  await groupEnded(child, PATIENCE_MS)
  output.end()
  return askedAt === undefined ? (code ?? 1) : 0
}
