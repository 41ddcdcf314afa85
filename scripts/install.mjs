/**
 * Installs what package-lock.json says, unless that is done already. Runs before `npm start` and `npm test`, on whatever
 * Node the machine has, so it is plain JavaScript: everything after it runs on the Node of the lock file.
 */

import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const OLDEST_NODE = [22, 18]

if (!isInstalled()) {
  console.log('Installing dependencies …')
  run('npm', ['ci', '--no-audit', '--no-fund'])
}

const nodeVersion = run('node', ['-p', 'process.versions.node'], 'pipe').trim()
const [major = 0, minor = 0] = nodeVersion.split('.').map(Number)
if (major < OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor < OLDEST_NODE[1])) {
  console.error(
    `Node ${nodeVersion} is too old, and the lock file has no newer one for this platform: install Node 24.`,
  )
  process.exit(1)
}

/** npm writes down what it installed, last of all. Packages for other platforms are in the lock file alone. */
function isInstalled() {
  const record = `${root}node_modules/.package-lock.json`
  if (!existsSync(record)) return false
  const installed = JSON.parse(readFileSync(record, 'utf8')).packages
  const wanted = JSON.parse(readFileSync(`${root}package-lock.json`, 'utf8')).packages
  return Object.entries(wanted).every(([path, { version, optional }]) => {
    const found = installed[path]
    return path === '' || (found === undefined ? optional === true : found.version === version)
  })
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
