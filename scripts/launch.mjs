/**
 * Runs a command line of package.json on the Node of the lock file, after installing what the lock file says.
 *
 * It starts on whatever Node the machine has, so it is plain JavaScript. The Node of the lock file is found by the path of
 * its package: `node_modules/.bin/node` is missing with npm up to 11.0, which drops a bin name that a skipped optional
 * package shares (npm/cli#4362).
 *
 * Usage: node scripts/launch.mjs 'COMMAND LINE' [ARGUMENT …]   the arguments go to its end, as npm itself does it
 */

import { spawn, spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
/** Older ones do not run TypeScript, which the scripts are written in. */
const OLDEST_NODE = [22, 18]

const [line, ...args] = process.argv.slice(2)
if (line === undefined) fail("Usage: node scripts/launch.mjs 'COMMAND LINE' [ARGUMENT …]")

const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages
if (!isInstalled()) install()
run(line, args, dirname(findNode()))

/** npm writes down what it installed, last of all. Packages for other platforms are in the lock file alone. */
function isInstalled() {
  const record = join(root, 'node_modules/.package-lock.json')
  if (!existsSync(record)) return false
  const installed = JSON.parse(readFileSync(record, 'utf8')).packages
  return Object.entries(lock).every(([path, { version, optional }]) => {
    const found = installed[path]
    return path === '' || (found === undefined ? optional === true : found.version === version)
  })
}

function install() {
  console.log('Installing dependencies …')
  // Nothing here needs an install script, so none gets to run: what a package does at installation is done as its user.
  const command = ['ci', '--ignore-scripts', '--no-audit', '--no-fund']
  // The npm that runs this script goes on; without one, the npm of the PATH.
  const npm = process.env['npm_execpath']
  const options = { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] }
  const { status, error } =
    npm !== undefined && /npm-cli\.c?js$/.test(npm)
      ? spawnSync(process.execPath, [npm, ...command], options)
      : spawnSync('npm', command, options)
  if (error) fail(`npm did not start: ${error.message}`)
  if (status !== 0) process.exit(status ?? 1)
}

/** The Node of the lock file; where that has none for this platform, the machine's own, if it is new enough. */
function findNode() {
  const name = `node-${process.platform === 'win32' ? 'win' : process.platform}-${process.arch}`
  const path = `node_modules/${name}`
  const bundled = join(root, path, 'bin', process.platform === 'win32' ? 'node.exe' : 'node')
  if (existsSync(bundled)) return bundled
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
  const [oldestMajor = 0, oldestMinor = 0] = OLDEST_NODE
  if (major > oldestMajor || (major === oldestMajor && minor >= oldestMinor)) return process.execPath
  const why =
    path in lock
      ? `the package ${name} is not installed`
      : `the lock file has no Node for ${process.platform} ${process.arch}`
  const remedy = path in lock ? 'Run `npm ci --include=optional`, or install Node 24.' : 'Install Node 24.'
  return fail(
    `Node ${process.versions.node} is too old: this needs ${OLDEST_NODE.join('.')} or newer, and ${why}. ${remedy}`,
  )
}

/** Becomes the command, as far as a parent can: its signals go to it, and its end is this one's. */
function run(commandLine, commandArgs, nodeFolder) {
  const env = {
    ...process.env,
    PATH: [nodeFolder, join(root, 'node_modules/.bin'), process.env['PATH']].join(delimiter),
  }
  const child = spawn('sh', ['-c', `${commandLine} "$@"`, 'sh', ...commandArgs], { cwd: root, stdio: 'inherit', env })
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.on(signal, () => {
      // Ctrl-C in a terminal reaches the command by itself.
      if (signal !== 'SIGINT' || !process.stdin.isTTY) child.kill(signal)
    })
  }
  child.on('error', (error) => fail(`sh did not start: ${error.message}`))
  child.on('exit', (code, signal) => {
    if (signal === null) process.exit(code ?? 1)
    for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.removeAllListeners(name)
    process.kill(process.pid, signal)
  })
}

function fail(message) {
  console.error(message)
  process.exit(1)
}
