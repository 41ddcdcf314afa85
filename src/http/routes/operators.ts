/**
 * What operators do by a service key with the scope `admin`. What answers is loaded with the first request that needs it.
 *
 * - GET /admin/audit              the ledger
 */

import { factory } from '../factory.ts'
import { requireOperator } from '../guards/service-key.ts'

export const operatorRoutes = factory
  .createApp()
  .basePath('/admin')
  .use('*', requireOperator)
  .get('/audit', async (c) => (await loadAudit()).listAudit(c))

function loadAudit() {
  return import('../operators/audit.ts')
}
