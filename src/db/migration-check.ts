/** Whether a database has the schema that this code was written for. */

// drizzle-kit adds every migration to this list, and the bundler inlines it: there is no second list to keep.
import journal from '../../migrations/meta/_journal.json' with { type: 'json' }
import { lacksTable } from './d1.ts'

/** The file of the newest migration, by the name under which wrangler notes it in `d1_migrations`. */
export const NEWEST_MIGRATION = `${journal.entries.at(-1)?.tag ?? ''}.sql`

/**
 * Asks D1, in one round trip, whether the newest migration was applied. A database that is ahead of this code counts as
 * migrated, since a deploy migrates before it uploads. Throws what D1 throws.
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
