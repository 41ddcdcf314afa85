/** Reads the command line of `npm run users`. What is not known is named in one line, with what was probably meant. */

import { parseArgs } from 'node:util'

import { nearestWord } from '../nearest-word.ts'
import { type CommandName, COMMANDS, GLOBAL_OPTIONS, isCommand, OPTIONS, type OptionSpec } from './commands.ts'
import { UsageProblem } from './problem.ts'

type Name = keyof typeof OPTIONS | keyof typeof GLOBAL_OPTIONS

export interface CommandLine {
  readonly command: CommandName
  readonly operands: readonly string[]
  /** Whether a switch is there. */
  readonly has: (name: Name) => boolean
  /** The last value of an option. */
  readonly value: (name: Name) => string | undefined
  /** Every value of an option, in their order. */
  readonly values: (name: Name) => readonly string[]
}

/** Help that was asked for: about everything, or about one command. */
export interface HelpWanted {
  readonly help: CommandName | null
}

const KNOWN: Readonly<Record<string, OptionSpec>> = { ...OPTIONS, ...GLOBAL_OPTIONS }

/** Throws `UsageProblem`. */
export function readCommandLine(args: readonly string[]): CommandLine | HelpWanted {
  const { tokens } = parseArgs({
    args: [...args],
    options: Object.fromEntries(
      Object.entries(KNOWN).map(([name, { value }]) => [
        name,
        { type: value === undefined ? 'boolean' : 'string', multiple: true, ...(name === 'help' && { short: 'h' }) },
      ]),
    ),
    strict: false,
    allowPositionals: true,
    tokens: true,
  })
  const [name, ...operands] = tokens.flatMap((token) => (token.kind === 'positional' ? [token.value] : []))
  const given = tokens.flatMap((token) => (token.kind === 'option' ? [token] : []))
  const asksForHelp = given.some((option) => option.name === 'help')
  if (name === undefined && (asksForHelp || args.length === 0)) return { help: null }
  if (name === 'help') return { help: operands[0] === undefined ? null : commandOf(operands[0]) }
  if (name === undefined) throw new UsageProblem(`No command. ${SEE_ALL}`)
  const command = commandOf(name)
  if (asksForHelp) return { help: command }

  for (const { name: option, value, rawName } of given) checkOption(command, option, rawName, value)
  checkOperands(command, operands)
  const values = (wanted: Name) => given.flatMap((option) => (option.name === wanted ? [option.value ?? ''] : []))
  return {
    command,
    operands,
    has: (wanted) => given.some((option) => option.name === wanted),
    value: (wanted) => values(wanted).at(-1),
    values,
  }
}

const SEE_ALL = '`npm run users` lists them.'

function commandOf(name: string): CommandName {
  if (isCommand(name)) return name
  const near = nearestWord(name, Object.keys(COMMANDS))
  throw new UsageProblem(
    `There is no command ${name}${near === undefined ? `. ${SEE_ALL}` : `: did you mean ${near}?`}`,
  )
}

function checkOption(command: CommandName, option: string, rawName: string, value: string | undefined): void {
  const own: readonly string[] = [...COMMANDS[command].options, ...Object.keys(GLOBAL_OPTIONS)]
  const spec = KNOWN[option]
  if (spec === undefined || !own.includes(option)) {
    const near = nearestWord(option, own)
    const hint = near === undefined ? `: \`npm run users -- help ${command}\` lists them.` : `: did you mean --${near}?`
    throw new UsageProblem(`${command} has no option ${rawName}${hint}`)
  }
  if (spec.value === undefined && value !== undefined) throw new UsageProblem(`--${option} takes no value.`)
  // An option that swallows the next one would be a value that nobody meant.
  if (spec.value !== undefined && (value === undefined || value === '')) {
    throw new UsageProblem(`--${option} needs a value: --${option} ${spec.value}`)
  }
}

function checkOperands(command: CommandName, operands: readonly string[]): void {
  const specs = COMMANDS[command].operands.split(' ').filter((text) => text !== '')
  const missing = specs.slice(operands.length).find((text) => !text.startsWith('['))
  const usage = `npm run users -- ${[command, ...specs].join(' ')}`
  if (missing !== undefined) throw new UsageProblem(`${command} needs ${withArticle(missing)}: ${usage}`)
  const isOpenEnded = specs.at(-1)?.endsWith('…]') === true
  const extra = operands[specs.length]
  if (extra !== undefined && !isOpenEnded) {
    throw new UsageProblem(`${extra} is one word too many: ${usage}`)
  }
  if (operands.includes('')) throw new UsageProblem(`An empty word names nothing: ${usage}`)
}

function withArticle(operand: string): string {
  return `${/^[AEIOU]/.test(operand) ? 'an' : 'a'} ${operand}`
}
