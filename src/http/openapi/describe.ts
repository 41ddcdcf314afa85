/** Words for the shapes of requests and answers: kept beside them, so that a request that is no question about them loads none. */

import * as z from 'zod/mini'
import type { oas32 } from 'zod-openapi'

/** A schema of the document. zod-openapi has the types of OpenAPI 3.2 for all versions. */
export type JsonSchema = Exclude<oas32.SchemaObject, boolean>

/** What a field is for; with `as`, the schema that says more than what zod can tell of it. */
export type About = string | { readonly about: string; readonly as: JsonSchema }

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

/** The same for a body that routes read, whose fields share their schemas with others: each is described by its name. */
export function namedBody<Schema extends z.ZodMiniType<unknown, object>>(
  schema: Schema,
  id: string,
  description: string,
  fields: Readonly<Record<keyof z.input<Schema>, About>>,
): Schema {
  const override = ({ jsonSchema }: { readonly jsonSchema: JsonSchema }) => {
    for (const [name, about] of Object.entries<About>(fields)) {
      const field = jsonSchema.properties?.[name] ?? {}
      jsonSchema.properties = { ...jsonSchema.properties, [name]: withWords(field, about) }
    }
  }
  z.globalRegistry.add(schema, { id, description, override })
  return schema
}

/** The parameters of a query that routes read: none of them may be null, since a query has no such value. */
export function queryOf<Shape extends z.core.$ZodShape>(
  { shape }: { readonly shape: Shape },
  fields: Readonly<Record<keyof Shape, About>>,
) {
  const copies = Object.entries<About>(fields).map(([name, about]) => {
    const copy = z.clone(shape[name] ?? z.unknown())
    const override = ({ jsonSchema }: { readonly jsonSchema: JsonSchema }) => {
      const { anyOf = [], default: left, ...rest } = jsonSchema
      const values = anyOf.filter((one) => !isNull(one))
      for (const key of Object.keys(jsonSchema)) Reflect.deleteProperty(jsonSchema, key)
      const plain = Object.assign({}, rest, ...values, left === null ? {} : { default: left })
      Object.assign(jsonSchema, withWords(plain, about))
    }
    z.globalRegistry.add(copy, { description: wordsOf(about), override })
    return [name, copy] as const
  })
  return z.object(Object.fromEntries(copies))
}

function isNull(schema: oas32.SchemaObject | oas32.ReferenceObject): boolean {
  return typeof schema === 'object' && 'type' in schema && schema.type === 'null'
}

function wordsOf(about: About): string {
  return typeof about === 'string' ? about : about.about
}

function withWords(schema: oas32.SchemaObject | oas32.ReferenceObject, about: About): JsonSchema {
  const own = typeof schema === 'object' ? schema : {}
  return { ...(typeof about === 'string' ? own : about.as), description: wordsOf(about) }
}
