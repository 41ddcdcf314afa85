/**
 * What operators do by a service key with the scope `admin`. What answers is loaded with the first request that needs it.
 *
 * - POST, GET /admin/users                  makes an account; lists them
 * - GET, PATCH, DELETE /admin/users/{guid}  one account
 * - GET, DELETE /admin/users/{guid}/sessions, DELETE …/{sid}   its sessions
 * - GET /admin/audit                        the ledger
 */

import { factory } from '../factory.ts'
import { requireOperator } from '../guards/service-key.ts'

export const operatorRoutes = factory
  .createApp()
  .basePath('/admin')
  .use('*', requireOperator)
  .post('/users', async (c) => (await loadUsers()).addUser(c))
  .get('/users', async (c) => (await loadUsers()).listUsers(c))
  .get('/users/:guid', async (c) => (await loadUsers()).showUser(c))
  .patch('/users/:guid', async (c) => (await loadUsers()).patchUser(c))
  .delete('/users/:guid', async (c) => (await loadUsers()).removeUser(c))
  .get('/users/:guid/sessions', async (c) => (await loadUserSessions()).listUserSessions(c))
  .delete('/users/:guid/sessions', async (c) => (await loadUserSessions()).endUserSessions(c))
  .delete('/users/:guid/sessions/:sid', async (c) => (await loadUserSessions()).endUserSession(c))
  .get('/audit', async (c) => (await loadAudit()).listAudit(c))

function loadUsers() {
  return import('../operators/users.ts')
}

function loadUserSessions() {
  return import('../operators/user-sessions.ts')
}

function loadAudit() {
  return import('../operators/audit.ts')
}
