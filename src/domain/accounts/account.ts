/** Accounts: who may sign in, as the rules see them, and where they are kept. */

export interface Account {
  /** The integer key; `user_id` to callers. */
  readonly id: number
  readonly guid: string
  readonly email: string | null
  readonly group: string
}

export interface SignInAccount extends Account {
  readonly isActive: boolean
  readonly isConfirmed: boolean
  readonly passwordHash: string | null
}

export interface AccountStore {
  /** `email` as `normalizeEmail` made it. */
  readonly findByEmail: (email: string) => Promise<SignInAccount | null>
}

/** E-mail addresses are compared in this form. */
export function normalizeEmail(text: string): string {
  return text.trim().normalize('NFC').toLowerCase()
}
