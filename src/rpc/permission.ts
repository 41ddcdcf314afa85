/**
 * What a binding may do. Whoever can deploy into the account writes its `props`, and needs no permission of ours; they keep the code of a Worker,
 * and whoever takes it over, to what the Worker was meant to do. The code itself cannot change them.
 */

import * as z from 'zod/mini'

import { TesseraError } from '../errors.ts'
import type { BindingProps, Method } from './contract.ts'

/** Every method, and whether a binding without a list of methods may call it: what is only read by whoever has the token already. */
const METHODS = {
  verify: true,
  keys: true,
  introspect: true,
  issue: false,
  refresh: false,
  revokeUser: false,
} as const satisfies Readonly<Record<Method, boolean>>

// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the keys of the closed table are its methods, and there are some
const NAMES = Object.keys(METHODS) as [Method, ...Method[]]

const Props = z.object({
  name: z.exactOptional(z.string().check(z.regex(/^[a-z\d-]{1,64}$/))),
  methods: z.exactOptional(z.array(z.enum(NAMES))),
}) satisfies z.ZodMiniType<BindingProps>

/** Lets a binding through that may call this. Throws `forbidden`, also for props that cannot be read: nobody can tell what they were to allow. */
export function requireMethod(props: unknown, method: Method): BindingProps {
  const read = Props.safeParse(props ?? {})
  const may = read.data?.methods?.includes(method) ?? METHODS[method]
  if (!read.success || !may) throw new TesseraError('forbidden', { cause: 'binding' })
  return read.data
}

/**
 * Who acts, for the ledger. A service key can have no such name, since its names have no colon. Throws `forbidden` for a binding without a name: a
 * row of the ledger that does not say who acted is worth nothing.
 */
export function actorOf({ name }: BindingProps): string {
  if (name === undefined) throw new TesseraError('forbidden', { cause: 'binding without a name' })
  return `binding:${name}`
}
