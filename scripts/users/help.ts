/** The help of `npm run users`: all commands on a page, or one with its options. */

import { type CommandName, COMMANDS, GLOBAL_OPTIONS, GROUPS, OPTIONS, type OptionSpec } from './commands.ts'
import type { Paint } from './paint.ts'

const USAGE_WIDTH = 29

/** All commands, in 80 columns. */
export function overview(paint: Paint): string {
  const groups = Object.entries(GROUPS).map(([title, commands]) => {
    const lines = Object.entries(commands).map(([name, { operands, says }]) => line(`${name} ${operands}`, says, paint))
    return [paint('bold', title), ...lines].join('\n')
  })
  return `${paint('bold', 'npm run users -- COMMAND')}   administers the accounts of a Tessera

${groups.join('\n\n')}

An ${paint('bold', 'ACCOUNT')} is named by its address, its guid or its external id.

${paint('bold', 'Options of every command')}
${optionLines(GLOBAL_OPTIONS, paint)}

${paint('bold', 'A first minute')}
  npm run users -- add ada@example.com --group staff --invite
  npm run users -- list ada
  npm run users -- why ada@example.com
  npm run -s users -- list --all --json | jq -r .email

More: \`npm run users -- help COMMAND\`, and docs/users.md`
}

/** One command with its options. */
export function helpOf(command: CommandName, paint: Paint): string {
  const { operands, says, options } = COMMANDS[command]
  const own = Object.fromEntries(options.map((name) => [name, OPTIONS[name]]))
  const usage = ['npm run users --', command, operands, options.length > 0 ? '[OPTIONS]' : ''].filter(Boolean)
  const sections = [`${paint('bold', usage.join(' '))}\n  ${says}`]
  if (options.length > 0) sections.push(optionLines(own, paint))
  sections.push(`${paint('bold', 'Options of every command')}\n${optionLines(GLOBAL_OPTIONS, paint)}`)
  return sections.join('\n\n')
}

function optionLines(options: Readonly<Record<string, OptionSpec>>, paint: Paint): string {
  return Object.entries(options)
    .map(([name, { value, says }]) => line(`--${name}${value === undefined ? '' : ` ${value}`}`, says, paint))
    .join('\n')
}

function line(usage: string, says: string, paint: Paint): string {
  const left = usage.trim()
  const room = ' '.repeat(Math.max(1, USAGE_WIDTH - left.length))
  const [name = '', ...rest] = left.split(' ')
  return `  ${paint('cyan', name)}${rest.map((word) => ` ${word}`).join('')}${room}${says}`
}
