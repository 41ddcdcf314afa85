/**
 * `npm run deploy`: the first time it brings up the Worker, its D1 and its queues; every time it migrates.
 *
 * The schema goes before the code that needs it. Only the very first time that cannot be: the database appears with
 * the Worker. Answers nothing for anyone: log in first (`npx wrangler login`), or set CLOUDFLARE_API_TOKEN.
 */

import { runWrangler } from './wrangler.ts'

const MIGRATE = ['d1', 'migrations', 'apply', 'DB', '--remote']
const deploy = ['deploy', '--minify', ...process.argv.slice(2)]

const migrated = await runWrangler(MIGRATE, true)
const isFirst = !migrated.ok && /couldn't find .*D1 DB/i.test(migrated.output)
if (!migrated.ok && !isFirst) process.exit(1)
if (isFirst) console.log('\nNo database yet: the first deploy creates it.\n')
if (!(await runWrangler(deploy, true)).ok) process.exit(1)
if (isFirst && !(await runWrangler(MIGRATE, true)).ok) process.exit(1)
if (isFirst) {
  console.log(`
Deployed. Without its secrets Tessera answers 500; set them once:

  openssl rand -base64 32 | npx wrangler secret put AUTH_SECRET
  openssl rand -base64 32 | npx wrangler secret put SERVICE_KEY
`)
}
