/** What was found about one part, in one line. */

export interface Finding {
  readonly part: string
  /** How it is; what is wrong says what to do. */
  readonly state: string
  readonly isWrong: boolean
}

export function ok(part: string, state = ''): Finding {
  return { part, state, isWrong: false }
}

export function wrong(part: string, state: string): Finding {
  return { part, state, isWrong: true }
}
