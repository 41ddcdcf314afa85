/** The shapes of requests in the OpenAPI document, held against the routes: what the one refuses, the other refuses, field by field. */

import type { Schema } from '@cfworker/json-schema'
import { describe, expect, test } from 'vitest'

import { HASHES } from '../../support/accounts.ts'
import { startCheapWorker } from '../../support/cheap-passwords.ts'
import { keepLog } from '../../support/log.ts'
import { described, type Problem, type Route, routes, violationsOf } from '../../support/openapi.ts'
import { SERVICE } from '../../support/requests.ts'

keepLog('warn')

const by = startCheapWorker()

type Body = Readonly<Record<string, unknown>>

/** A good value of each field that a body may have. */
const GOOD: Body = {
  primary_email: 'somebody@example.com',
  new_email: 'next@example.com',
  password: 'seven quiet herons upstream',
  current_password: 'seven quiet herons upstream',
  new_password: 'eleven loud geese downstream',
  password_hash: HASHES.current,
  token: 'junk',
  refresh: 'junk',
  guid: '6f9619ff-8b86-d011-b42d-00c04fc964ff',
  to: '/inbox',
  kind: 'reset_password',
  external_id: 'crm-4711',
  group: 'editors',
  claims: { tenant: 'acme' },
  active: true,
  confirmed: true,
  language: 'en',
  time_zone: 'UTC',
  created_at: 1_600_000_000,
}

const VALUES = [7, -1, 1.5, true, null, '', 'x', 'ab'.repeat(1000), ['x'], {}, { a: 1 }]

/** Of these a schema says less than the route, which looks at more than the form of a text. */
const LOOKED_AT = new Set([
  'claims',
  'external_id',
  'group',
  'new_email',
  'password_hash',
  'primary_email',
  'time_zone',
  'token',
])

const UUID = crypto.randomUUID()

/** The component of a body, and whether its route has it as a line of an import. */
const BODIES = [
  ...routes.flatMap((route) => {
    const { $ref } = route.operation.requestBody?.content['application/json']?.schema ?? {}
    return $ref === undefined ? [] : [{ route, name: $ref.slice($ref.lastIndexOf('/') + 1) }]
  }),
  { route: routes.find(({ path }) => path === '/admin/users/import'), name: 'ImportedUser' },
].map(({ route, name }) => [`${route?.method} ${route?.path}`, name, route] as const)

/** The fields for which a route refuses a body; none where it does not refuse it for its shape. */
async function refusedFields({ method, path }: Route, body: Body): Promise<readonly string[]> {
  const isLine = path.endsWith('/import')
  const headers = { ...SERVICE, 'Content-Type': isLine ? 'application/jsonl' : 'application/json' }
  const url = path.replace('{guid}', UUID)
  const response = await by.call(url, { method, headers, body: JSON.stringify(body) })
  if (response.status === 204) return []
  const { code, errors, results } = await response.json<Partial<Problem> & { results?: readonly Partial<Problem>[] }>()
  const refused = isLine ? results?.[0]?.errors : code === 'wrong_data_structure' ? errors : undefined
  return Object.keys(refused ?? {})
}

describe('a body', () => {
  test.each(BODIES)('of %s is refused by its route where %s refuses it', async (_name, name, route) => {
    if (route === undefined) throw new Error('no such route')
    const schema: Schema = { $ref: `#/components/schemas/${name}` }
    const fields = Object.keys(described.components.schemas[name]?.properties ?? {})
    const bodies = (field: string) => {
      const good = Object.fromEntries(fields.map((one) => [one, GOOD[one]]))
      // A password comes in one form alone.
      const { [field === 'password_hash' ? 'password' : 'password_hash']: _other, ...others } = good
      const { password: _password, ...line } = others
      const base: Body = name === 'ImportedUser' ? line : others
      const { [field]: _left, ...without } = base
      return [without, ...VALUES.map((value) => ({ ...without, [field]: value }))]
    }
    const differing: unknown[] = []
    for (const field of fields) {
      for (const body of bodies(field)) {
        const bySchema = violationsOf(body, schema, false).length > 0
        const byRoute = (await refusedFields(route, body)).includes(field)
        if (bySchema && !byRoute) differing.push({ field, body, by: 'the schema alone' })
        if (byRoute && !bySchema && !LOOKED_AT.has(field)) differing.push({ field, body, by: 'the route alone' })
      }
    }

    expect(fields.length).toBeGreaterThan(0)
    expect(differing).toEqual([])
  })

  test.each(['CreateUserRequest', 'ChangeUserRequest', 'ImportedUser'])(
    'of a field that is not known is refused by %s, as by its route',
    async (name) => {
      const route = BODIES.find(([, one]) => one === name)?.[2]
      if (route === undefined) throw new Error('no such route')
      const body = { external_id: 'crm-4711', is_active: false }
      expect(violationsOf(body, { $ref: `#/components/schemas/${name}` }, false)).not.toEqual([])
      expect(await refusedFields(route, body)).toEqual(['is_active'])
    },
  )
})

const TEXTS = [
  '0',
  '1',
  '7',
  '100',
  '101',
  '-1',
  '1.5',
  'x',
  'true',
  'False',
  UUID,
  'a'.repeat(300),
  'sent',
  'mail_asked',
]

/** A text of a query, as a reader of the document takes it. */
function typed(text: string, { type }: Schema): unknown {
  if (type === 'integer') return /^-?[\d.]+$/.test(text) ? Number(text) : text
  if (type === 'boolean') return text === 'true' || text === 'false' ? text === 'true' : text
  return text
}

const QUERIES = routes.flatMap((route) =>
  (route.operation.parameters ?? []).flatMap(({ in: place, name, schema }) =>
    place === 'query' && route.path.startsWith('/admin/')
      ? [[`${route.method} ${route.path}?${String(name)}`, String(name), schema as Schema, route] as const]
      : [],
  ),
)

test.each(QUERIES)(
  '%s is refused by its route where its schema refuses it, and nowhere else',
  async (_name, name, schema, route) => {
    const judged = await Promise.all(
      TEXTS.map(async (text) => {
        const url = `${route.path.replace('{guid}', UUID)}?${new URLSearchParams({ [name]: text }).toString()}`
        const response = await by.call(url, { method: route.method, headers: SERVICE })
        const { errors = {} } = await response.json<Partial<Problem>>()
        const isRefused = violationsOf(typed(text, schema), schema, false).length > 0
        return isRefused === name in errors ? null : { text, isRefused, errors }
      }),
    )

    expect(judged.filter((one) => one !== null)).toEqual([])
  },
)
