/** Whether a database has the schema that this code was written for. */

// The list that drizzle-kit writes with every migration; the bundler takes it in, so nobody keeps a second one.
import journal from '../../migrations/meta/_journal.json' with { type: 'json' }
import { lacksTable } from './d1.ts'

/** The file of the newest migration, by the name under which wrangler notes it in `d1_migrations`. */
export const NEWEST_MIGRATION = `${journal.entries.at(-1)?.tag ?? ''}.sql`

/**
 * Asks D1, in one round trip, whether the newest migration was applied. A later one does no harm: migrations go before
 * the code that needs them. Throws what D1 throws.
 */
export async function isMigrated(d1: D1Database): Promise<boolean> {
  try {
    const { results } = await d1.prepare('SELECT 1 FROM d1_migrations WHERE name = ?').bind(NEWEST_MIGRATION).run()
    return results.length === 1
  } catch (error) {
    if (lacksTable(error)) return false
    throw error
  }
}
