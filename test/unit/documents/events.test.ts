/** docs/events.md: every event with its fields, an example of each that the schema takes, and the lines of wrangler.toml that switch them on. */

import { describe, expect, test } from 'vitest'

import { EVENT_TYPES, type EventType } from '../../../src/domain/events/event.ts'
import { EventMessage, MESSAGES } from '../../../src/domain/events/event-message.ts'
import { fenced, read, table } from '../../support/markdown.ts'

const document = read('docs/events.md')
const TYPES = Object.keys(EVENT_TYPES) as EventType[]

/** Names in backquotes. */
function names(cell: string | undefined): readonly string[] {
  return [...(cell ?? '').matchAll(/`(\w+)`/g)].map(([, name = '']) => name)
}

const COMMON = ['id', 'previous', 'type', 'at', 'guid', 'user_id']
const fieldsOf = (type: EventType) => Object.keys(MESSAGES[type].shape).filter((field) => !COMMON.includes(field))

test('lists every event, when there is one, and its fields', () => {
  const rows = table(document, '| `type` | when | beside these |')
  expect(rows.map(([type, when, fields]) => [names(type)[0], when, names(fields)])).toEqual(
    TYPES.map((type) => [type, EVENT_TYPES[type], fieldsOf(type)]),
  )
})

test('says what each field is', () => {
  const [common = '', others = ''] = document.split('| `type` | when | beside these |')
  const header = '| field | what it is |'
  expect(table(common, header).map(([field]) => names(field)[0])).toEqual(COMMON)
  expect(new Set(table(others, header).map(([field]) => names(field)[0]))).toEqual(new Set(TYPES.flatMap(fieldsOf)))
  const client = table(others, header).find(([field]) => field === '`client`')?.[1]
  expect(names(client)).toEqual(Object.keys(MESSAGES.signed_in.shape.client.shape))
})

describe('the examples', () => {
  const examples = fenced(document, 'json').map((text) => JSON.parse(text) as unknown)

  test('are messages, and have nothing that the schema does not have', () => {
    for (const example of examples) expect(EventMessage.parse(example)).toStrictEqual(example)
  })

  test('show every event, one after the other', () => {
    const messages = examples.map((example) => EventMessage.parse(example))
    expect(new Set(messages.map(({ type }) => type))).toEqual(new Set(TYPES))
    expect(messages.map(({ previous }) => previous)).toEqual([null, ...messages.slice(0, -1).map(({ id }) => id)])
  })
})

test('has the lines that switch them on, as wrangler.toml has them, and as the example consumes them', () => {
  const [block = ''] = fenced(document, 'toml')
  const toml = read('wrangler.toml').replaceAll(/^# /gm, '')
  expect(toml).toContain(block.trim())
  const queue = /queue = "(.*)"/.exec(block)?.[1]
  expect(read('examples/events-consumer/wrangler.toml')).toContain(`[[queues.consumers]]\nqueue = "${queue}"`)
})

test('the example waits for less time than its queue tries', () => {
  const example = read('examples/events-consumer/index.ts')
  const seconds = (name: string) => Number(new RegExp(`${name} = (\\d+)`).exec(example)?.[1])
  const retries = Number(/max_retries = (\d+)/.exec(read('examples/events-consumer/wrangler.toml'))?.[1])
  expect(retries * seconds('RETRY_SECONDS')).toBeGreaterThan(seconds('PATIENCE_SECONDS'))
})
