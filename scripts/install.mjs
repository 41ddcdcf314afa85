/**
 * Installs what package-lock.json says, unless that is done already. Runs before `npm start` and `npm test`, on whatever
 * Node the machine has, so it is plain JavaScript: everything after it runs on the Node of the lock file.
 */

import { spawnSync } from 'node:child_process'
import { existsSync, statSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const lock = `${root}package-lock.json`
// npm writes this file last, so it is there only after a complete installation.
const installed = `${root}node_modules/.package-lock.json`
const OLDEST_NODE = [22, 18]

if (!existsSync(installed) || statSync(installed).mtimeMs < statSync(lock).mtimeMs) {
  console.log('Installing dependencies …')
  run('npm', ['ci', '--no-audit', '--no-fund'])
}

const version = run('node', ['-p', 'process.versions.node'], 'pipe').trim()
const [major = 0, minor = 0] = version.split('.').map(Number)
if (major < OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor < OLDEST_NODE[1])) {
  console.error(`Node ${version} is too old, and the lock file has no newer one for this platform: install Node 24.`)
  process.exit(1)
}

function run(command, args, stdout = 'inherit') {
  const options = {
    cwd: root,
    stdio: ['ignore', stdout, 'inherit'],
    encoding: 'utf8',
    shell: process.platform === 'win32',
  }
  const { status, stdout: output } = spawnSync(command, args, options)
  if (status !== 0) process.exit(status ?? 1)
  return output ?? ''
}
