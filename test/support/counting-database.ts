/** A D1 binding that counts its round trips: `batch`, `exec`, and each statement that is run by itself are one. */

export interface CountingDatabase {
  readonly database: D1Database
  readonly roundTrips: () => number
  readonly reset: () => void
}

const EXECUTE = new Set(['run', 'all', 'first', 'raw'])

export function countRoundTrips(d1: D1Database): CountingDatabase {
  let count = 0
  // D1 looks at the identity of a statement in `batch`, so the wrappers must give the real one back.
  const originals = new WeakMap<object, D1PreparedStatement>()

  function wrap(statement: D1PreparedStatement): D1PreparedStatement {
    const wrapper = new Proxy(statement, {
      get(target, name) {
        const member: unknown = Reflect.get(target, name)
        if (typeof member !== 'function') return member
        if (name === 'bind') return (...values: unknown[]) => wrap(target.bind(...values))
        return (...args: unknown[]) => {
          if (EXECUTE.has(String(name))) count += 1
          return Reflect.apply(member, target, args)
        }
      },
    })
    originals.set(wrapper, statement)
    return wrapper
  }

  const database = new Proxy(d1, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name)
      if (typeof member !== 'function') return member
      if (name === 'prepare') return (text: string) => wrap(target.prepare(text))
      if (name === 'batch') {
        return (statements: D1PreparedStatement[]) => {
          count += 1
          return target.batch(statements.map((statement) => originals.get(statement) ?? statement))
        }
      }
      return (...args: unknown[]) => {
        if (name === 'exec') count += 1
        return Reflect.apply(member, target, args)
      }
    },
  })
  return { database, roundTrips: () => count, reset: () => (count = 0) }
}
