/** What `npm start` leaves out of the output of `wrangler dev`, on lines that wrangler printed. */

import { describe, expect, test } from 'vitest'

import { createDevOutput } from '../../../scripts/dev-output.ts'

const START = `\u001b[34m[custom build]\u001b[39m Running: node scripts/launch.mjs "node scripts/build.ts"
Attaching additional modules:
┌──────────────────────────┬───────────────┬───────────┐
│ \u001b[31mName\u001b[39m                     │ \u001b[31mType\u001b[39m          │ \u001b[31mSize\u001b[39m      │
├──────────────────────────┼───────────────┼───────────┤
│ no-simd-XPSW4TIW.wasm    │ compiled-wasm │ 3.58 KiB  │
├──────────────────────────┼───────────────┼───────────┤
│ Total (1 module)         │               │ 3.58 KiB  │
└──────────────────────────┴───────────────┴───────────┘
Using secrets defined in .dev.vars
Your Worker has access to the following bindings:
\u001b[2mBinding\u001b[22m                                            \u001b[2mResource\u001b[22m                  \u001b[2mMode\u001b[22m
\u001b[37menv.EMAIL\u001b[39m (\u001b[2munrestricted\u001b[22m)                           \u001b[31mSend Email          \u001b[39m      \u001b[34mlocal\u001b[39m
\u001b[37menv.DB\u001b[39m (\u001b[2mtessera\u001b[22m)                                   \u001b[31mD1 Database         \u001b[39m      \u001b[34mlocal\u001b[39m
\u001b[37menv.AUTH_SECRET\u001b[39m (\u001b[2m"(hidden)"\u001b[22m)                       \u001b[31mEnvironment Variable\u001b[39m      \u001b[34mlocal\u001b[39m

\u001b[33m▲ \u001b[43;33m[\u001b[43;30mWARNING\u001b[43;33m]\u001b[0m \u001b[1mScheduled Workers are not automatically triggered during local development.\u001b[0m

  To manually trigger a scheduled event, run:
    curl "http://localhost:8787/cdn-cgi/local/scheduled"
  For more details, see \u001b[4mhttps://developers.cloudflare.com/workers/configuration/cron-triggers/#test-cron-triggers-locally\u001b[0m


\u001b[2m⎔ Starting local server...\u001b[22m
\u001b[2m⎔ Connection status updated\u001b[22m
`
/** A source that cannot be built, while it is edited; the error of esbuild, and what wrangler adds to it. */
const WRONG = `[custom build] ✘ [ERROR] Unexpected ";"
[custom build]${' '}
[custom build]     src/http/routes/keys.ts:12:10:
`
const DUMP = `\u001b[31m✘ \u001b[41;31m[\u001b[41;97mERROR\u001b[41;31m]\u001b[0m \u001b[1mk [Error]: Process exited with non-zero status (1)\u001b[0m

      at I2._waitForOutput (node_modules/wrangler/wrangler-dist/cli.js:162735:98)
    result: I {
      _process: ChildProcess {
        pid: 6556,
    }
  }


`
const FAILED = '✘ [ERROR] Running custom build `node scripts/launch.mjs "node scripts/build.ts"` failed.\n'
const READY = '\u001b[32m[wrangler:info]\u001b[39m Ready on \u001b[32mhttp://localhost:8787\u001b[39m\n'
const WARNING =
  '\u001b[33m▲ \u001b[43;33m[\u001b[43;30mWARNING\u001b[43;33m]\u001b[0m \u001b[1m{\u001b[0m\n\n    event: "refused"\n\n'
const REQUEST = '\u001b[32m[wrangler:info]\u001b[39m \u001b[1mGET\u001b[22m /no-guid 400 Bad Request (10ms)\n'

/** What is shown of a text that arrives in these pieces. */
function shown(...pieces: readonly string[]): string {
  let text = ''
  const output = createDevOutput(
    (line) => (text += line),
    (origin) => (text += `<${origin}>`),
  )
  for (const piece of pieces) output.push(piece)
  output.end()
  return text
}

describe('the output of wrangler dev', () => {
  test('is the origin alone when nothing happens, in whatever pieces it comes', () => {
    expect(shown(START, READY)).toBe('<http://localhost:8787>')
    expect(shown(...(START + READY).split(''))).toBe('<http://localhost:8787>')
    expect(shown(START.replaceAll('\n', '\r\n'), READY)).toBe('<http://localhost:8787>')
  })

  test('has every other line as it came: warnings, requests, what a Worker prints, an unfinished last line', () => {
    const lines = `${WARNING}${REQUEST}\n  indented\nenv.SOMETHING (x)   Queue   local\n\nno newline`
    expect(shown(START, READY, lines)).toBe(`<http://localhost:8787>${lines}`)
    expect(shown(START, lines)).toBe(lines)
  })

  test('has the error of a failed build, without the process that wrangler ran for it', () => {
    expect(shown(WRONG, DUMP, FAILED)).toBe(WRONG + FAILED)
  })

  test('ends a block at the first line that does not belong to it', () => {
    const error = '✘ [ERROR] Build failed with 1 error:\n\n'
    for (const line of START.split('\n').keys()) {
      const lines = START.split('\n')
      const before = `${lines.slice(0, line).join('\n')}\n`
      expect(shown(before, error), `after «${lines[line - 1]}»`).toContain(error)
    }
  })

  test('shows a later address, and one that a Worker prints, like any other line', () => {
    expect(shown(READY, READY)).toBe(`<http://localhost:8787>${READY}`)
    expect(shown('it says Ready on http://localhost:1\n')).toBe('it says Ready on http://localhost:1\n')
  })
})
