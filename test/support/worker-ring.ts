/**
 * Runs before every file of the worker ring: its database starts with the current schema and no rows, and what the queue's
 * consumer loads with its first mail is there. The real queue delivers while tests run, and after the last one of a file:
 * a module that is asked for once a file has ended ends the whole run ("Message received from Worker before initialisation").
 * And a line that the consumer logs while vitest ends a file leaves vitest waiting for ever, so that each file waits for
 * the consumer first.
 */

import { applyD1Migrations } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { afterAll } from 'vitest'

/** Batches of mails are delivered after 50 ms; the rest is for sending them. */
const DELIVERY_MS = 300

await applyD1Migrations(env.DB, env.MIGRATIONS)
await Promise.all([
  import('../../src/db/mails/outbox.ts'),
  import('../../src/mail/delivery.ts'),
  import('../../src/mail/render.ts'),
  import('../../src/mail/transports/api.ts'),
  import('../../src/mail/transports/cloudflare.ts'),
  import('../../src/words/en.ts'),
  import('../../src/words/ru.ts'),
])

afterAll(() => scheduler.wait(DELIVERY_MS))
