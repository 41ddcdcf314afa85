/**
 * `npm run keys`: walks an operator through the rotation of `AUTH_SECRET`, of the local Tessera or, with `--remote`, of a deployed one. It changes the
 * file in which the secrets stand, never a deployment: that is for `npm run deploy`.
 */

import { parseArgs } from 'node:util'

import { DeployProblem } from './deploy/problem.ts'
import { newSecret } from './new-secret.ts'

const HELP = `npm run keys -- status      which keys there are, which one signs, and what comes next
npm run keys -- rotate      takes the next step of a rotation, where it is safe
npm run keys -- generate    prints a new secret, for a CI or a dashboard
  --remote                  of the deployment, not of this machine
  --name NAME               of the deployment, where this checkout knows several
  --url URL                 where it answers, BASE_PATH included`

const [command, options] = readOptions()
if (command === 'generate') console.log(newSecret())
else if (command === 'status' || command === 'rotate') await walk(command)
else {
  console.error(HELP)
  process.exitCode = options.help === true ? 0 : 1
}

async function walk(asked: 'status' | 'rotate'): Promise<void> {
  // Loaded late, since wrangler, which reads the configuration, takes a second to load.
  const { runKeys } = await import('./keys/run.ts')
  try {
    process.exitCode = await runKeys(asked, { ...options, now: Math.floor(Date.now() / 1000) })
  } catch (error) {
    if (!(error instanceof DeployProblem)) throw error
    console.error(error.message)
    process.exitCode = 1
  }
}

function readOptions() {
  const text = { type: 'string' } as const
  const flag = { type: 'boolean' } as const
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: { remote: flag, name: text, url: text, help: { ...flag, short: 'h' } },
    })
    return [positionals.length === 1 ? positionals[0] : undefined, values] as const
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : String(error)}\n\n${HELP}`)
    process.exit(1)
  }
}
