/**
 * `npm run users`: administers the accounts of a Tessera, the local one or, with `--remote`, a deployed one. A client of `/admin`: what
 * it can do, any program can that holds a service key. docs/users.md has every command with its output.
 */

import { readCommandLine } from './users/command-line.ts'
import type { Output } from './users/context.ts'
import { helpOf, overview } from './users/help.ts'
import { paintFor } from './users/paint.ts'
import { jsonLine, printable } from './users/printable.ts'
import { EXIT, UsageProblem, UsersProblem } from './users/problem.ts'

// A reader that ended, as with `| head`, is no error.
process.stdout.on('error', () => process.exit(EXIT.well))

try {
  process.exitCode = await run(process.argv.slice(2))
} catch (error) {
  // An error of the system, such as a full disk, is printed as one line, too. Any other one is a bug, and shows its stack.
  const isOfSystem = error instanceof Error && 'syscall' in error
  if (!(error instanceof UsersProblem) && !(error instanceof UsageProblem) && !isOfSystem) throw error
  console.error(printable(error.message))
  process.exitCode = error instanceof UsageProblem ? EXIT.usage : EXIT.trouble
}

async function run(args: readonly string[]): Promise<number> {
  const paint = paintFor(process.stdout, process.env)
  const line = readCommandLine(args)
  if ('help' in line) {
    console.log(line.help === null ? overview(paint) : helpOf(line.help, paint))
    return EXIT.well
  }
  const isJson = line.has('json')
  const out: Output = {
    isJson,
    paint,
    width: process.stdout.isTTY ? process.stdout.columns : undefined,
    one: (value, words) => console.log(isJson ? jsonLine(value) : words()),
    remark: (text) => console.error(text),
  }
  // Loaded here, so that the help and a wrong command line are answered at once.
  const [{ findTarget, NOWHERE }, { createClient }, { RUNS }] = await Promise.all([
    import('./users/target.ts'),
    import('./users/client.ts'),
    import('./users/run.ts'),
  ])
  const wanted = { remote: line.has('remote'), name: line.value('name'), url: line.value('url') }
  // What is only checked on this machine needs no key.
  const isOffline = line.command === 'import' && line.has('dry-run')
  const client = createClient(isOffline ? NOWHERE : await findTarget(wanted, process.env))
  return (await RUNS[line.command]({ client, line, out })) ?? EXIT.well
}
