/**
 * `npm run doctor`: what is wrong with the Tessera of this checkout, a line each, with what to do. With `--remote` also with the
 * deployed one. It mends nothing, and ends with 1 when something is wrong.
 */

import { parseArgs } from 'node:util'

import type { Deployment } from './doctor/deployment.ts'
import { type Finding, wrong } from './doctor/finding.ts'

const HELP = `npm run doctor              looks at this machine
npm run doctor -- --remote  and at the deployment
  --name NAME               of the deployment, where this checkout knows several
  --url URL                 its address, BASE_PATH included, where only the dashboard has it`

const WIDTH = 15

const { remote, name, url, help } = readOptions()
if (help === true) console.log(HELP)
else {
  // Loaded late, since wrangler, which reads the configuration, takes a second to load.
  const { examineLocal } = await import('./doctor/local.ts')
  const [local, deployed] = await Promise.all([examineLocal(), remote === true ? examineDeployment() : []])
  report(local)
  if (deployed.length > 0) console.log()
  report(deployed)
}

async function examineDeployment(): Promise<readonly Finding[]> {
  const { findDeployment } = await import('./doctor/deployment.ts')
  const { examineRemote } = await import('./doctor/remote.ts')
  let deployment: Deployment
  try {
    deployment = findDeployment(name)
  } catch (error) {
    return [wrong('deployment', error instanceof Error ? error.message : String(error))]
  }
  return examineRemote(deployment, url)
}

function readOptions() {
  const text = { type: 'string' } as const
  const flag = { type: 'boolean' } as const
  try {
    return parseArgs({ options: { remote: flag, name: text, url: text, help: { ...flag, short: 'h' } } }).values
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : String(error)}\n\n${HELP}`)
    process.exit(1)
  }
}

function report(findings: readonly Finding[]): void {
  for (const { part, state, isWrong } of findings) {
    console.log(`${isWrong ? 'WRONG' : 'ok   '} ${part.padEnd(WIDTH)} ${state}`.trimEnd())
    if (isWrong) process.exitCode = 1
  }
}
