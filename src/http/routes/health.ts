/** GET /healthz: what works of this deployment, for monitors and load balancers. It names parts, and never says why. */

import { type Health, isHealthy } from '../../domain/health.ts'
import { factory } from '../factory.ts'

export const healthRoutes = factory.createApp().get('/healthz', async (c) => answerHealth(await c.env.checkHealth()))

/** 200 when every part is well, else 503; the body names each. */
export function answerHealth(checks: Health): Response {
  const healthy = isHealthy(checks)
  return Response.json({ status: healthy ? 'ok' : 'not ok', checks }, { status: healthy ? 200 : 503 })
}
