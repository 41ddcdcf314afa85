/** A finding of the doctor: one part, in one line. */

export interface Finding {
  readonly part: string
  /** How the part is; for one that is wrong, also what to do. */
  readonly state: string
  readonly isWrong: boolean
}

export function ok(part: string, state = ''): Finding {
  return { part, state, isWrong: false }
}

export function wrong(part: string, state: string): Finding {
  return { part, state, isWrong: true }
}
