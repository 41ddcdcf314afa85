/**
 * A D1 binding that counts its round trips, and keeps what D1 said of every statement. `batch`, `exec`, and each statement
 * that is run by itself are one round trip.
 */

export interface ObservedStatement {
  readonly sql: string
  readonly values: readonly unknown[]
  /** Rows that it changed, without entries of indexes. */
  readonly changes: number
  readonly rowsRead: number
  readonly rowsWritten: number
}

export interface CountingDatabase {
  readonly database: D1Database
  readonly roundTrips: () => number
  readonly statements: () => readonly ObservedStatement[]
  readonly reset: () => void
}

interface Original {
  readonly statement: D1PreparedStatement
  readonly sql: string
  readonly values: readonly unknown[]
}

const EXECUTE = new Set(['run', 'all', 'first', 'raw'])

export function countRoundTrips(d1: D1Database): CountingDatabase {
  let count = 0
  let observed: ObservedStatement[] = []
  // D1 looks at the identity of a statement in `batch`, so the wrappers must give the real one back.
  const originals = new WeakMap<object, Original>()

  function observe({ sql, values }: Omit<Original, 'statement'>, result: unknown): void {
    const meta = (result as Partial<D1Result> | undefined)?.meta
    if (meta === undefined) return
    const { changes, rows_read: rowsRead, rows_written: rowsWritten } = meta
    observed.push({ sql, values, changes, rowsRead, rowsWritten })
  }

  function wrap(statement: D1PreparedStatement, sql: string, values: readonly unknown[] = []): D1PreparedStatement {
    const wrapper = new Proxy(statement, {
      get(target, name) {
        const member: unknown = Reflect.get(target, name)
        if (typeof member !== 'function') return member
        if (name === 'bind') return (...bound: unknown[]) => wrap(target.bind(...bound), sql, bound)
        return async (...args: unknown[]) => {
          if (EXECUTE.has(String(name))) count += 1
          const result: unknown = await Reflect.apply(member, target, args)
          observe({ sql, values }, result)
          return result
        }
      },
    })
    originals.set(wrapper, { statement, sql, values })
    return wrapper
  }

  const database = new Proxy(d1, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name)
      if (typeof member !== 'function') return member
      if (name === 'prepare') return (text: string) => wrap(target.prepare(text), text)
      if (name === 'batch') {
        return async (statements: D1PreparedStatement[]) => {
          count += 1
          const known = statements.map((statement) => originals.get(statement) ?? { statement, sql: '', values: [] })
          const results = await target.batch(known.map(({ statement }) => statement))
          for (const [i, result] of results.entries()) observe(known[i] ?? { sql: '', values: [] }, result)
          return results
        }
      }
      return (...args: unknown[]) => {
        if (name === 'exec') count += 1
        return Reflect.apply(member, target, args)
      }
    },
  })
  return {
    database,
    roundTrips: () => count,
    statements: () => observed,
    reset: () => {
      count = 0
      observed = []
    },
  }
}
