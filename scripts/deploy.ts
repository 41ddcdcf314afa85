/**
 * `npm run deploy`: brings Tessera into a Cloudflare account, and every later version after it. It asks what it has to know
 * and keeps the answers; killed at any point, it goes on where it was. See docs/deploy.md.
 */

import * as http from 'node:http'

import { bringUp } from './deploy/bring-up.ts'
import { explain } from './deploy/cloudflare.ts'
import { close } from './deploy/closing.ts'
import { HELP, readOptions } from './deploy/options.ts'
import { makePlan } from './deploy/plan.ts'
import { openPrompt } from './deploy/prompt.ts'

// Wrangler uses the proxy that the environment names. `fetch` does so where Node can, from 24.14 on.
if ('setGlobalProxyFromEnv' in http) http.setGlobalProxyFromEnv()

try {
  const options = readOptions(process.argv.slice(2))
  if (options === null) console.log(HELP)
  else {
    const plan = await makePlan(options, openPrompt())
    await bringUp(plan)
    await close(plan)
  }
} catch (error) {
  const line = explain(error)
  if (line === null) throw error
  console.error(line)
  process.exitCode = 1
}
