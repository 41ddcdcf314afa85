/** Which function runs which command. */

import { addAccount, deleteAccount, listAccounts, showAccount } from './accounts.ts'
import { listAudit } from './audit.ts'
import * as changes from './changes.ts'
import type { CommandName } from './commands.ts'
import type { Context } from './context.ts'
import { confirmByMail, listMails, requeue, reset } from './mails.ts'
import { endSessions, listSessions } from './sessions.ts'
import { why } from './why.ts'

/** Resolves to the exit code where that is not 0. */
type Run = (context: Context) => Promise<number | void>

export const RUNS: Readonly<Record<CommandName, Run>> = {
  add: addAccount,
  list: listAccounts,
  show: showAccount,
  delete: deleteAccount,
  import: async (context) => (await import('../users-import/run.ts')).importUsers(context),
  disable: changes.disable,
  enable: changes.enable,
  group: changes.changeGroup,
  confirm: (context) => (context.line.has('mail') ? confirmByMail(context) : changes.confirm(context)),
  email: changes.changeEmail,
  password: changes.changePassword,
  reset,
  claims: changes.changeClaims,
  'external-id': changes.changeExternalId,
  language: changes.changeLanguage,
  'time-zone': changes.changeTimeZone,
  why,
  sessions: listSessions,
  'end-sessions': endSessions,
  audit: listAudit,
  mails: listMails,
  requeue,
}
