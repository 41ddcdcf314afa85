/** Checks an account on this machine, by the schema that the Worker has for a line of an import: what `--dry-run` can say without asking. */

import type { ImportedUser } from './mapping.ts'

/** Loads the check, which only `--dry-run` needs. It returns what is wrong with each field; `null` for an account that can be taken. */
export async function loadCheck(): Promise<(user: ImportedUser) => Readonly<Record<string, readonly string[]>> | null> {
  const [{ ImportedUserLine }, { fieldErrors }] = await Promise.all([
    import('../../src/http/operators/user-contract.ts'),
    import('../../src/shape.ts'),
  ])
  return (user) => {
    const read = ImportedUserLine.safeParse(user)
    return read.success ? null : fieldErrors(read.error)
  }
}
