/** Places that an owner allowed beside those of their sessions, and where they are kept. Times are whole seconds since 1970. */

/** How long a place stays allowed. Mails and pages say so. */
export const ALLOWED_PLACE_DAYS = 90

/** A place that an account may refresh from beside those of its sessions. */
export interface AllowedPlace {
  readonly id: number
  /** As `placeKey` names it. */
  readonly place: string
  readonly country: string | null
  readonly city: string | null
  readonly provider: string | null
  readonly createdAt: number
  readonly expiresAt: number
}

/** What an owner does with the places that they allowed. */
export interface AllowedPlaceStore {
  readonly list: (userId: number, now: number) => Promise<readonly AllowedPlace[]>
  /** `false`: the account has no such place. */
  readonly remove: (userId: number, id: number) => Promise<boolean>
}
