/** `npx tessera-testing`: a Tessera for test suites of every language, as a process. Ctrl-C or a SIGTERM ends it, and what it started. */

import { parseArgs } from 'node:util'

import { serveControl } from './http.ts'
import { startTessera, type Settings } from './testing.ts'

const HELP = `npx tessera-testing [--port PORT] [--control-port PORT] [--setting NAME=VALUE …]

  --port          where Tessera answers; a free port, where it is left out
  --control-port  where users, sessions and mails are; the same
  --setting       a setting of docs/configuration.md, as often as there are any`

try {
  await run()
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
}

async function run(): Promise<void> {
  const { values } = parseArgs({
    options: {
      port: { type: 'string', default: '0' },
      'control-port': { type: 'string', default: '0' },
      setting: { type: 'string', multiple: true, default: [] },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) return console.log(HELP)
  const tessera = await startTessera({ port: portOf(values.port), settings: settingsOf(values.setting) })
  const control = await serveControl(tessera, portOf(values['control-port'])).catch(async (error: unknown) => {
    await tessera.stop()
    throw error
  })
  console.log(introduction(tessera.url, control, tessera.serviceKey))
}

/** The first three lines are for programs: names and values, as a shell and a dotenv file have them. */
function introduction(url: string, control: string, serviceKey: string): string {
  return `TESSERA_URL=${url}
TESSERA_TESTING_URL=${control}
SERVICE_KEY=${serviceKey}

Tessera answers at TESSERA_URL. For tests alone: it forgets everything at its end, Ctrl-C.
A user and a session of theirs:

  curl -X POST -H "Authorization: Bearer ${serviceKey}" ${control}/users
  curl -X POST -H "Authorization: Bearer ${serviceKey}" ${control}/sessions

Everything else: docs/testing.md`
}

function portOf(text: string): number {
  const port = Number(text)
  if (!Number.isInteger(port) || port < 0 || port > 65_535) throw new Error(`${text} is no port`)
  return port
}

/** Names are judged by `startTessera`. */
function settingsOf(lines: readonly string[]): Settings {
  return Object.fromEntries(
    lines.map((line) => {
      const at = line.indexOf('=')
      if (at < 1) throw new Error(`--setting takes NAME=VALUE, and not ${line}`)
      return [line.slice(0, at), line.slice(at + 1)]
    }),
  )
}
