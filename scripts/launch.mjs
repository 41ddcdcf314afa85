/**
 * Runs a command line of package.json on the Node of the lock file, after installing what the lock file says.
 *
 * It starts on whatever Node the machine has, so it is plain JavaScript. The Node of the lock file is found by the path of
 * its package: `node_modules/.bin/node` is missing with npm up to 11.0, which drops a bin name that a skipped optional
 * package shares (npm/cli#4362).
 *
 * Usage: node scripts/launch.mjs 'COMMAND LINE' [ARGUMENT …]   the arguments go to its end, as npm itself does it
 */

import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
/** Older versions of Node do not run TypeScript, which the scripts are written in. */
const OLDEST_NODE = [22, 18]
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP']
/** Holds the process id of the launcher that installs: a second one in the same checkout waits for it. */
const installLock = join(root, '.wrangler/install.lock')

const [line, ...args] = process.argv.slice(2)
if (line === undefined) fail("Usage: node scripts/launch.mjs 'COMMAND LINE' [ARGUMENT …]")

const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages
const bundledName = `node-${process.platform === 'win32' ? 'win' : process.platform}-${process.arch}`
const bundledNode = join(root, 'node_modules', bundledName, 'bin', process.platform === 'win32' ? 'node.exe' : 'node')

// Without a bundled Node the scripts need that of this machine, which is checked before anything is installed.
if (!(`node_modules/${bundledName}` in lock))
  requireNewNode(`there is no bundled Node for ${process.platform} ${process.arch}`)
if (!isInstalled()) await installOnce()
const path = [dirname(findNode()), join(root, 'node_modules/.bin'), process.env['PATH']].join(delimiter)
// The compile cache of Node makes wrangler, of 15 MB, start a fifth sooner.
const compileCache = join(root, 'node_modules/.cache/node')
const env = { NODE_COMPILE_CACHE: compileCache, ...process.env, PATH: path }
end(await run('sh', ['-c', `${line} "$@"`, 'sh', ...args], { stdio: 'inherit', env }))

/** Whether everything that the lock file has for this machine stands there, in its version. */
function isInstalled() {
  // npm writes this record last of all, so an installation that was interrupted has none.
  const record = join(root, 'node_modules/.package-lock.json')
  if (!existsSync(record)) return false
  const installed = JSON.parse(readFileSync(record, 'utf8')).packages
  return Object.entries(lock).every(([folder, entry]) => {
    if (folder === '') return true
    const found = installed[folder]
    if (found === undefined) return entry.optional === true && !isForThisMachine(entry)
    return found.version === entry.version && existsSync(join(root, folder, 'package.json'))
  })
}

/** Whether npm always installs this optional package here: a folder may have come from another system, or without its optional packages. */
function isForThisMachine({ os, cpu, libc }) {
  // A package for one C library is not looked for, since only npm finds out which one this machine has.
  return libc === undefined && (os?.includes(process.platform) ?? false) && (cpu?.includes(process.arch) ?? false)
}

/** Installs, or waits until another launcher of this checkout has installed. */
async function installOnce() {
  let announced = false
  while (!takeLock()) {
    if (!announced) console.log(`Waiting for an installation that runs in this folder (${installLock}) …`)
    announced = true
    await new Promise((resolve) => setTimeout(resolve, 200))
  }
  const ending = isInstalled() ? undefined : await install()
  rmSync(installLock, { force: true })
  if (ending !== undefined && ending.code !== 0) end(ending)
}

function takeLock() {
  try {
    mkdirSync(dirname(installLock), { recursive: true })
    writeFileSync(installLock, String(process.pid), { flag: 'wx' })
    return true
  } catch (error) {
    if (error.code !== 'EEXIST') fail(`Nothing can be installed here: ${error.message}`)
  }
  try {
    const owner = Number(readFileSync(installLock, 'utf8'))
    // A launcher that was killed left its lock behind. In a container, the next launcher may have the same process id.
    if (owner === process.pid) rmSync(installLock)
    process.kill(owner, 0)
  } catch (error) {
    if (error.code === 'ESRCH') rmSync(installLock, { force: true })
  }
  return false
}

function install() {
  console.log('Installing dependencies …')
  // No package needs an install script, so none runs. Development and optional packages are needed, whatever npm is set to omit.
  const command = ['ci', '--ignore-scripts', '--include=dev', '--include=optional', '--no-audit', '--no-fund']
  // The npm that runs this script installs; under another package manager, or none, that of the PATH does.
  const npm = process.env['npm_execpath']
  const isNpm = npm !== undefined && /npm-cli\.c?js$/.test(npm)
  const options = { stdio: ['ignore', 'inherit', 'inherit'] }
  return isNpm ? run(process.execPath, [npm, ...command], options) : run('npm', command, options)
}

/** The Node of the lock file; where that has none for this platform, the machine's own. */
function findNode() {
  if (existsSync(bundledNode)) return bundledNode
  if (`node_modules/${bundledName}` in lock) requireNewNode(`npm left out the package ${bundledName}`)
  return process.execPath
}

function requireNewNode(reason) {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
  const [oldestMajor = 0, oldestMinor = 0] = OLDEST_NODE
  if (major > oldestMajor || (major === oldestMajor && minor >= oldestMinor)) return
  const oldest = OLDEST_NODE.join('.')
  fail(`Node ${process.versions.node} is too old here, since ${reason}. Install Node ${oldest} or newer, best Node 24.`)
}

/** Runs a command to its end, and passes signals on to it. */
function run(command, commandArgs, options) {
  const child = spawn(command, commandArgs, { cwd: root, ...options })
  const isTerminal = [process.stdin, process.stdout, process.stderr].some((stream) => stream.isTTY)
  const passOn = (name) => {
    // A terminal sends Ctrl-C to the command by itself, and a second one has a meaning of its own.
    if (name !== 'SIGINT' || !isTerminal) child.kill(name)
  }
  for (const name of SIGNALS) process.on(name, passOn)
  return new Promise((resolve) => {
    child.on('error', (error) => fail(`${command} did not start: ${error.message}`))
    child.on('exit', (code, signal) => {
      for (const name of SIGNALS) process.off(name, passOn)
      resolve({ code, signal })
    })
  })
}

/** Ends as the command did: with its code, or by its signal. */
function end({ code, signal }) {
  if (signal === null) process.exit(code ?? 1)
  process.kill(process.pid, signal)
}

function fail(message) {
  console.error(message)
  process.exit(1)
}
