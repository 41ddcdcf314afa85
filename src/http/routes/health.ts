/** GET /healthz: what works of this deployment, for monitors and load balancers. It names parts, and never says why. */

import { type Health, isHealthy } from '../../domain/health.ts'
import type { HealthAnswer } from '../answer/answer-contract.ts'
import { factory } from '../factory.ts'

export const healthRoutes = factory.createApp().get('/healthz', async (c) => answerHealth(await c.env.checkHealth()))

/** 200 when every part is well, else 503; the body names each. */
export function answerHealth(checks: Health): Response {
  const healthy = isHealthy(checks)
  const answer: HealthAnswer = { status: healthy ? 'ok' : 'not ok', checks }
  return Response.json(answer, { status: healthy ? 200 : 503 })
}
