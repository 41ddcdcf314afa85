/** Words for the shapes of requests and answers: kept beside them, so that a request that is no question about them loads none. */

import * as z from 'zod/mini'
import type { oas32 } from 'zod-openapi'

/** A schema of the document. zod-openapi has the types of OpenAPI 3.2 for all versions. */
export type JsonSchema = Exclude<oas32.SchemaObject, boolean>

/** What a field is for, and an example of it; with `as`, the schema that says more than what zod can tell of it. */
export type About =
  | string
  | { readonly about: string; readonly example: unknown }
  | { readonly about: string; readonly as: JsonSchema }

/** The schema, with what it is for. */
export function described<Schema extends z.ZodMiniType>(
  schema: Schema,
  description: string,
  ...examples: readonly unknown[]
): Schema {
  z.globalRegistry.add(schema, { description, ...(examples.length > 0 && { examples: [...examples] }) })
  return schema
}

/** The schema as a component of the document, under a name of its own. */
export function named<Schema extends z.ZodMiniType>(schema: Schema, id: string, description: string): Schema {
  z.globalRegistry.add(schema, { id, description })
  return schema
}

/** The words of each body by the name of its component. */
const bodies = new Map<string, Readonly<Record<string, About>>>()

/** As `named`, for a body that routes read, whose fields share their schemas with others: `describeBodies` describes each by its name. */
export function namedBody<Schema extends z.ZodMiniType<unknown, object>>(
  schema: Schema,
  id: string,
  description: string,
  fields: Readonly<Record<keyof z.input<Schema>, About>>,
): Schema {
  bodies.set(id, fields)
  return named(schema, id, description)
}

/** Describes the fields of bodies, once they are rendered: until then some of their schemas are empty, and shared with other bodies. */
export function describeBodies(schemas: Readonly<Record<string, oas32.SchemaObject | oas32.ReferenceObject>>): void {
  for (const [id, fields] of bodies) {
    const { properties = {} } = asObject(schemas[id])
    for (const [name, about] of Object.entries(fields)) {
      const field = schemaOf(about) ?? asObject(properties[name])
      const examples = typeof about === 'object' && 'example' in about ? { examples: [about.example] } : {}
      properties[name] = { ...field, description: wordsOf(about), ...examples }
    }
  }
}

/** The parameters of a query that routes read, in words. */
export function queryOf<Shape extends z.core.$ZodShape>(
  { shape }: { readonly shape: Shape },
  fields: Readonly<Record<keyof Shape, About>>,
) {
  const parameters = Object.entries<About>(fields).map(([name, about]) => {
    const as = schemaOf(about)
    const field = as === null ? z.clone(shape[name] ?? z.unknown()) : z.optional(z.unknown())
    z.globalRegistry.add(field, { description: wordsOf(about), ...(as !== null && { override: as }) })
    return [name, field] as const
  })
  return z.object(Object.fromEntries(parameters))
}

/** The schema of a parameter without null, which is what a route reads where there is none: a query has no such value. */
export function withoutNull(schema: oas32.SchemaObject | oas32.ReferenceObject | undefined): JsonSchema {
  const { anyOf = [], default: left, ...rest } = asObject(schema)
  const values = anyOf.map(asObject).filter(({ type }) => type !== 'null')
  return Object.assign({}, rest, ...values, left === null || left === undefined ? {} : { default: left })
}

function asObject(schema: oas32.SchemaObject | oas32.ReferenceObject | undefined): JsonSchema {
  return typeof schema === 'object' ? schema : {}
}

/** The schema that stands in the place of zod's. */
function schemaOf(about: About): JsonSchema | null {
  return typeof about === 'object' && 'as' in about ? about.as : null
}

function wordsOf(about: About): string {
  return typeof about === 'string' ? about : about.about
}
