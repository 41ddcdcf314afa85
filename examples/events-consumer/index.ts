/**
 * A Worker that follows Tessera: of every account it knows whether it is open, and which sessions. The queue may deliver an event twice, and
 * an event before the one that happened earlier: each is taken in once, and in its order. docs/events.md says why this is enough.
 *
 *   npx wrangler deploy --config examples/events-consumer/wrangler.toml
 */

import type { EventMessage } from '../../src/domain/events/event-message.ts'

interface Bindings {
  readonly FOLLOWED: D1Database
}

/** How long it waits for an event that was overtaken. Then that is taken to be lost, and the later ones go on without it. */
const PATIENCE_SECONDS = 1800
const RETRY_SECONDS = 30

export default {
  async queue(batch, { FOLLOWED }) {
    // In the order of what happened, so that few have to wait for another of this batch.
    for (const message of batch.messages.toSorted((a, b) => a.body.id - b.body.id)) {
      const outcome = await takeIn(FOLLOWED, message.body, message.timestamp)
      if (outcome === 'early') message.retry({ delaySeconds: RETRY_SECONDS })
      else message.ack()
    }
  },
} satisfies ExportedHandler<Bindings, EventMessage>

/**
 * Takes an event in, in one transaction: `done`, also where it was taken in before. `early`: the one before it has not come yet, and nothing
 * was written.
 */
export async function takeIn(database: D1Database, event: EventMessage, queuedAt: Date): Promise<'done' | 'early'> {
  const { id, previous, guid } = event
  const isOverdue = Date.now() - queuedAt.getTime() > PATIENCE_SECONDS * 1000 ? 1 : 0
  const [taken, known] = await database.batch<{ last_id: number }>([
    database
      .prepare(
        `INSERT INTO accounts (guid, last_id)
       SELECT ?1, ?2 WHERE ?3 IS NULL OR ?4 OR EXISTS (SELECT 1 FROM accounts WHERE guid = ?1)
       ON CONFLICT (guid) DO UPDATE SET last_id = ?2
       WHERE last_id < ?2 AND (?3 IS NULL OR ?3 <= last_id OR ?4)
       RETURNING last_id`,
      )
      .bind(guid, id, previous, isOverdue),
    database.prepare('SELECT last_id FROM accounts WHERE guid = ?').bind(guid),
    ...effectsOf(database, event),
  ])
  const lastId = known?.results[0]?.last_id ?? 0
  return taken?.results.length === 1 || lastId >= id ? 'done' : 'early'
}

/** What an event changes, where it is the newest that was taken in. Doing it twice is doing it once. */
function effectsOf(database: D1Database, event: EventMessage): D1PreparedStatement[] {
  const { id, guid } = event
  const isNewest = 'EXISTS (SELECT 1 FROM accounts WHERE guid = ?1 AND last_id = ?2)'
  const effects: D1PreparedStatement[] = []
  if (event.type === 'signed_in') {
    const insert = `INSERT OR IGNORE INTO sessions (guid, sid, opened_at, country) SELECT ?1, ?3, ?4, ?5 WHERE ${isNewest}`
    effects.push(database.prepare(insert).bind(guid, id, event.sid, event.at, event.client.country))
  }
  if (event.type === 'session_ended') {
    effects.push(
      database.prepare(`DELETE FROM sessions WHERE guid = ?1 AND sid = ?3 AND ${isNewest}`).bind(guid, id, event.sid),
    )
  }
  // All sessions that were open have ended, but for one at most.
  if ('ended_except' in event) {
    const end = `DELETE FROM sessions WHERE guid = ?1 AND sid IS NOT ?3 AND ${isNewest}`
    effects.push(database.prepare(end).bind(guid, id, event.ended_except ?? null))
  }
  const state = STATES[event.type]
  if (state !== undefined) {
    effects.push(
      database.prepare(`UPDATE accounts SET state = ?3 WHERE guid = ?1 AND last_id = ?2`).bind(guid, id, state),
    )
  }
  return effects
}

const STATES: Readonly<Partial<Record<EventMessage['type'], string>>> = {
  activated: 'open',
  deactivated: 'closed',
  left: 'left',
}
