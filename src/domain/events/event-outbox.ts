/** The outbox of events, as its senders see it: every event is a row before it is sent, and those of one account go out in their order. */

/** Where stores note for whom they stored an event. */
export interface EventFeed {
  /** Events are to be sent to a queue: every one of the vocabulary is stored. Otherwise only what the history of an account needs is. */
  readonly isFollowed: boolean
  /** Notes an account whose events are to be sent after the answer. */
  readonly note: (userId: number) => void
}

/** No queue of events is bound. */
export const NOT_FOLLOWED: EventFeed = { isFollowed: false, note() {} }

/** A feed, and the accounts that were noted since they were last taken. */
export interface NotedFeed extends EventFeed {
  readonly takeNoted: () => readonly number[]
}

/** An event as its row has it. */
export interface UnsentEvent {
  readonly id: number
  /** The event of the same account that was sent, or is to be sent, before it. */
  readonly previous: number | null
  readonly type: string
  readonly at: number
  readonly guid: string
  readonly userId: number
  readonly sid: string | null
  readonly reason: string | null
  /** JSON. */
  readonly facts: string
  readonly endedBefore: number | null
  readonly endedExcept: string | null
}

/** What senders do with the outbox. Times are in seconds since 1970. */
export interface EventOutbox {
  /** Accounts behind `after` that have an event which no sender holds, at most `limit`, in their order. */
  readonly findWaiting: (after: number, now: number, limit: number) => Promise<readonly number[]>
  /**
   * Marks events as sent, and takes the oldest that these accounts have besides, in their order, at most `limit`. Whoever takes events holds
   * them for a while, and nobody else gets any of that account until they are marked or the time is over: so no sender overtakes another.
   */
  readonly take: (
    accounts: readonly number[],
    sent: readonly UnsentEvent[],
    now: number,
    limit: number,
  ) => Promise<readonly UnsentEvent[]>
}

/** A feed of one isolate. Whatever request drains it sends what all have noted. */
export function createEventFeed(isFollowed: boolean): NotedFeed {
  const noted = new Set<number>()
  return {
    isFollowed,
    note: (userId) => void noted.add(userId),
    takeNoted() {
      if (noted.size === 0) return []
      const accounts = [...noted]
      noted.clear()
      return accounts
    },
  }
}
