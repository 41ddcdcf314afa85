/**
 * What operators do by a service key with the scope `admin`. What answers is loaded with the first request that needs it.
 *
 * - POST, GET /admin/users                  makes an account; lists them
 * - POST /admin/users/import                brings many along
 * - GET, PATCH, DELETE /admin/users/{guid}  one account
 * - GET, DELETE /admin/users/{guid}/sessions, DELETE …/{sid}   its sessions
 * - DELETE /admin/sessions                everybody's
 * - GET /admin/users/{guid}/history         what became of its sessions, and what happened to it
 * - GET /admin/audit                        the ledger
 * - GET, POST /admin/mails                  the outbox; has a mail sent
 * - POST /admin/mails/{id}/requeue          has a mail tried again; /admin/mails/requeue all that are parked
 */

import { factory } from '../factory.ts'
import { requireOperator } from '../guards/service-key.ts'

export const operatorRoutes = factory
  .createApp()
  .basePath('/admin')
  .use('*', requireOperator)
  .post('/users', async (c) => (await loadUsers()).addUser(c))
  .post('/users/import', async (c) => (await loadImport()).importLines(c))
  .get('/users', async (c) => (await loadUsers()).listUsers(c))
  .get('/users/:guid', async (c) => (await loadUsers()).showUser(c))
  .patch('/users/:guid', async (c) => (await loadUsers()).patchUser(c))
  .delete('/users/:guid', async (c) => (await loadUsers()).removeUser(c))
  .get('/users/:guid/sessions', async (c) => (await loadUserSessions()).listUserSessions(c))
  .delete('/sessions', async (c) => (await loadUserSessions()).endAllSessions(c))
  .delete('/users/:guid/sessions', async (c) => (await loadUserSessions()).endUserSessions(c))
  .delete('/users/:guid/sessions/:sid', async (c) => (await loadUserSessions()).endUserSession(c))
  .get('/users/:guid/history', async (c) => (await loadHistory()).showHistory(c))
  .get('/audit', async (c) => (await loadAudit()).listAudit(c))
  .get('/mails', async (c) => (await loadMails()).listMails(c))
  .post('/mails', async (c) => (await loadMails()).sendMail(c))
  .post('/mails/requeue', async (c) => (await loadMails()).requeueAll(c))
  .post('/mails/:id/requeue', async (c) => (await loadMails()).requeueOne(c, c.req.param('id')))

function loadUsers() {
  return import('../operators/users.ts')
}

function loadImport() {
  return import('../operators/import.ts')
}

function loadUserSessions() {
  return import('../operators/user-sessions.ts')
}

function loadHistory() {
  return import('../operators/history.ts')
}

function loadAudit() {
  return import('../operators/audit.ts')
}

function loadMails() {
  return import('../operators/mails.ts')
}
