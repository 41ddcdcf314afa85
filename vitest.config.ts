/**
 * Three rings: the rules in Node, the Worker in workerd with a real D1 and a real queue, and the built Worker as a black
 * box; the last one again in a browser, and before the software of others, which `.ci/run` has. `npx vitest --project unit` runs one of them. Tests stand in
 * the folder of their noun; what is of no single one stands in `worker/whole`, `unit/scripts`, `unit/documents` or
 * `unit` itself.
 */

import { cloudflareTest, readD1Migrations } from '@cloudflare/vitest-plugin'
import { defineConfig } from 'vitest/config'
import { unstable_readConfig } from 'wrangler'

import { buildAssets } from './scripts/reference/assets.ts'
import { TEST_BINDINGS } from './test/support/bindings.ts'

const root = new URL('.', import.meta.url).pathname

/** How long a test may take. Most take milliseconds; on a busy machine some need longer than the 5 s of vitest. */
const PATIENCE_MS = 20_000

interface RateLimit {
  readonly name: string
  readonly namespace_id: string
  readonly simple: { readonly limit: number; readonly period: 10 | 60 }
}

const { ratelimits }: { readonly ratelimits: readonly RateLimit[] } = unstable_readConfig({
  config: `${root}wrangler.toml`,
})

// The Worker under test serves these, and no wrangler has built them for it.
buildAssets(`${root}dist/assets`)

/** The rate limits of wrangler.toml, under other names. */
const REAL_LIMITS = Object.fromEntries(
  ratelimits.map(({ name, namespace_id, simple }) => [`REAL_${name}`, { namespace_id, simple }]),
)

export default defineConfig({
  test: {
    // Refusals are logged; only those of a failed test are worth reading.
    silent: 'passed-only',
    // By default one core is left free. Of two that would be half, and many tests wait for a process more than they compute.
    maxWorkers: '100%',
    // Of `npm run coverage`: src/ as the rules' and the Worker's tests run it. What the other rings run comes on top.
    coverage: {
      provider: 'istanbul',
      include: ['src/**/*.{ts,tsx}'],
      exclude: ['src/**/*.d.ts'],
      reportsDirectory: '.wrangler/coverage',
      reporter: ['text', 'html'],
      thresholds: { lines: 95 },
    },
    projects: [
      {
        root,
        // Rules keep nothing between tests, so that each module is evaluated once for all files. Whoever mocks restores.
        test: { name: 'unit', include: ['test/unit/**/*.test.ts'], isolate: false, testTimeout: PATIENCE_MS },
      },
      {
        root,
        plugins: [
          cloudflareTest({
            wrangler: { configPath: `${root}wrangler.toml` },
            // Vite reads the source. What the build makes of it runs in the ring of the built Worker.
            main: `${root}src/index.ts`,
            miniflare: {
              bindings: {
                ...TEST_BINDINGS,
                MIGRATIONS: await readD1Migrations(`${root}migrations`),
                FOLLOWED_MIGRATIONS: await readD1Migrations(`${root}examples/events-consumer/migrations`),
                // How many histories the model is shown; more of them by hand.
                TESSERA_MODEL_RUNS: process.env['TESSERA_MODEL_RUNS'] ?? '',
                TESSERA_MODEL_SECONDS: process.env['TESSERA_MODEL_SECONDS'] ?? '',
              },
              ratelimits: {
                // Tests ask from one address. Those of the limits themselves bind the real ones, which stand beside.
                RATE_BY_ADDRESS: { namespace_id: '1', simple: { limit: 1e9, period: 60 } },
                RATE_BY_ACCOUNT: { namespace_id: '2', simple: { limit: 1e9, period: 60 } },
                ...REAL_LIMITS,
              },
              // The database of the example that consumes events.
              d1Databases: { FOLLOWED: { id: 'followed' } },
              // The Worker under test has none, as in wrangler.toml: tests of events bind this one.
              queueProducers: { REAL_EVENTS: { queueName: 'tessera-events', deliveryDelay: 86_400 } },
              queueConsumers: {
                'tessera-mail': { maxBatchTimeout: 0.05, deadLetterQueue: 'tessera-mail-dead', maxRetries: 35 },
                'tessera-mail-dead': { maxBatchTimeout: 0.05 },
                // A local queue keeps its limits only where somebody consumes it. None of its messages is delivered within a day.
                'tessera-events': {},
              },
            },
          }),
        ],
        test: {
          name: 'worker',
          testTimeout: PATIENCE_MS,
          include: ['test/worker/**/*.test.ts'],
          setupFiles: ['test/support/worker-ring.ts'],
        },
      },
      {
        root,
        test: { name: 'e2e', include: ['test/e2e/**/*.test.ts'], testTimeout: 180_000, hookTimeout: 240_000 },
      },
      {
        root,
        test: { name: 'recipes', include: ['test/recipes/**/*.test.ts'], testTimeout: 180_000, hookTimeout: 240_000 },
      },
      {
        root,
        test: {
          name: 'browser',
          include: ['test/browser/**/*.test.ts'],
          globalSetup: ['test/browser/setup.ts'],
          testTimeout: 180_000,
        },
      },
    ],
  },
})
