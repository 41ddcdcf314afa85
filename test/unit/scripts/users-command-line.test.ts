/** The command line of `npm run users`: what it takes, and the line that it answers to anything else. */

import { describe, expect, test } from 'vitest'

import { readCommandLine } from '../../../scripts/users/command-line.ts'
import { COMMANDS, GROUPS, OPTIONS } from '../../../scripts/users/commands.ts'
import { atMostOne, limitOf } from '../../../scripts/users/context.ts'
import { helpOf, overview } from '../../../scripts/users/help.ts'
import { readObject } from '../../../scripts/users/object-argument.ts'
import { plain } from '../../../scripts/users/paint.ts'
import { UsageProblem } from '../../../scripts/users/problem.ts'
import { RUNS } from '../../../scripts/users/run.ts'

function read(...args: readonly string[]) {
  const line = readCommandLine(args)
  if ('help' in line) throw new Error('help')
  return line
}

describe('the command line', () => {
  test('is a command, its operands and its options, in any order', () => {
    const line = read('--json', 'import', '--map', 'a=b', 'users.csv', '--map=c=d', '--parallel', '2')
    expect([line.command, line.operands, line.has('json'), line.has('remote')]).toEqual([
      'import',
      ['users.csv'],
      true,
      false,
    ])
    expect([line.values('map'), line.value('map'), line.value('parallel'), line.value('from')]).toEqual([
      ['a=b', 'c=d'],
      'c=d',
      '2',
      undefined,
    ])
  })

  test('asks for help in four ways', () => {
    const ways = [[], ['--help'], ['help'], ['help', 'import'], ['import', '--help'], ['import', '-h']]
    expect(ways.map((args) => readCommandLine(args))).toEqual([
      { help: null },
      { help: null },
      { help: null },
      ...Array.from({ length: 3 }, () => ({ help: 'import' })),
    ])
  })

  test.each([
    [['shwo', 'a'], 'There is no command shwo: did you mean show?'],
    [['frobnicate'], 'There is no command frobnicate. `npm run users` lists them.'],
    [['--json'], 'No command. `npm run users` lists them.'],
    [['help', 'shwo'], 'There is no command shwo: did you mean show?'],
    [['list', '--jsno'], 'list has no option --jsno: did you mean --json?'],
    [['show', 'a', '--group', 'b'], 'show has no option --group: `npm run users -- help show` lists them.'],
    [['show', '-x', 'a'], 'show has no option -x: `npm run users -- help show` lists them.'],
    [['add', 'a', '--group'], '--group needs a value: --group GROUP'],
    [['add', 'a', '--group='], '--group needs a value: --group GROUP'],
    [['list', '--all=yes'], '--all takes no value.'],
    [['show'], 'show needs an ACCOUNT: npm run users -- show ACCOUNT'],
    [['group', 'a'], 'group needs a GROUP: npm run users -- group ACCOUNT GROUP'],
    [['show', 'a', 'b'], 'b is one word too many: npm run users -- show ACCOUNT'],
    [['show', ''], 'An empty word names nothing: npm run users -- show ACCOUNT'],
  ])('%j: one line that says what is meant', (args, words) => {
    expect(() => read(...args)).toThrow(new UsageProblem(words))
  })

  test('has no option by which a password could be an argument', () => {
    const values = Object.entries(OPTIONS)
      .filter(([, spec]) => 'value' in spec)
      .map(([name]) => name)
    expect(values.filter((name) => /password|hash|secret|key/.test(name))).toEqual([])
    expect(() => read('password', 'a', 'secret')).toThrow('secret is one word too many')
    expect(() => read('password', 'a', '--password-stdin=secret')).toThrow('--password-stdin takes no value.')
  })

  test('limits a list to 50 entries, to a number, or not at all', () => {
    expect([limitOf(read('list')), limitOf(read('list', '--limit', '7')), limitOf(read('list', '--all'))]).toEqual([
      50,
      7,
      Infinity,
    ])
    expect(() => limitOf(read('list', '--all', '--limit', '7'))).toThrow('--limit and --all contradict each other.')
    expect(() => limitOf(read('list', '--limit', '0'))).toThrow('--limit 0 is no number of entries.')
  })

  test('takes one of two options that contradict each other', () => {
    expect(() => atMostOne(read('add', 'a', '--invite', '--password'), 'invite', 'password')).toThrow(
      '--invite and --password contradict each other.',
    )
    expect(() => atMostOne(read('add', 'a', '--invite'), 'invite', 'password')).not.toThrow()
  })

  test('takes a JSON object', () => {
    expect([readObject(undefined), readObject('{"a":1}')]).toEqual([undefined, { a: 1 }])
    for (const text of ['[1]', 'null', 'a', '7']) expect(() => readObject(text)).toThrow(`${text} is no JSON object`)
  })
})

describe('the help', () => {
  const pages = [overview(plain), ...Object.keys(COMMANDS).map((name) => helpOf(name as keyof typeof COMMANDS, plain))]

  test('fits 80 columns', () => {
    expect(pages.flatMap((page) => page.split('\n')).filter((line) => line.length > 80)).toEqual([])
  })

  test('has every command, each of which does something', () => {
    const names = Object.values(GROUPS).flatMap((commands) => Object.keys(commands))
    expect(Object.keys(RUNS).toSorted()).toEqual(names.toSorted())
    for (const name of names) expect(pages[0]).toMatch(new RegExp(`^  ${name} `, 'm'))
  })

  test('has every option of a command, and each option belongs to one', () => {
    const used = new Set(Object.values(COMMANDS).flatMap(({ options }) => options))
    expect([...used].toSorted()).toEqual(Object.keys(OPTIONS).toSorted())
    for (const [name, { options }] of Object.entries(COMMANDS)) {
      const page = helpOf(name as keyof typeof COMMANDS, plain)
      expect(options.filter((option) => !page.includes(`  --${option}`))).toEqual([])
    }
  })

  test('has examples that can be read', () => {
    const examples = [...(pages[0] ?? '').matchAll(/^ {2}npm run (?:-s )?users -- (.*?)(?: \|.*)?$/gm)].map(
      ([, args = '']) => args.split(' '),
    )
    expect(examples.length).toBeGreaterThan(2)
    for (const args of examples) expect(() => read(...args)).not.toThrow()
  })
})
