/** How `npm run users` ends. A script that calls it reads the exit code; a person reads the one line. */

export const EXIT = {
  well: 0,
  /** Not reachable, refused, not found: the line says which. */
  trouble: 1,
  /** The command line is wrong: nothing was asked. */
  usage: 2,
  /** An import came to its end, and some of its rows were refused. */
  refusedRows: 3,
  /** Ctrl-C. */
  interrupted: 130,
} as const

/** What stops a command and can be mended by whoever runs it. The message is the one line that they read. */
export class UsersProblem extends Error {
  override readonly name = 'UsersProblem'
}

/** A command line that cannot be read. The message says what was meant, or what there is. */
export class UsageProblem extends Error {
  override readonly name = 'UsageProblem'
}
