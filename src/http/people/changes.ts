/** The pages that change an account, each with its password: another password, another address, and the end of it. */

import type { Context } from 'hono'
import type * as z from 'zod/mini'

import type { OwnSession } from '../../domain/accounts/account.ts'
import { requestAddressChange } from '../../domain/accounts/address-change.ts'
import { changePassword, leave } from '../../domain/accounts/credentials.ts'
import type { TimedCaller } from '../../domain/caller.ts'
import { PAGE_PATHS } from '../../domain/page-paths.ts'
import { type ChangePageName, renderChange } from '../../pages/account/changes.ts'
import { NOTHING_REFUSED } from '../../pages/fields.ts'
import { pageContext } from '../answer/page-context.ts'
import type { AppEnv } from '../factory.ts'
import { ChangeEmailRequest, ChangePasswordRequest, LeaveRequest } from '../request/account-contract.ts'
import { readTimedCaller } from '../request/caller.ts'
import { clearPair } from '../request/cookies.ts'
import { answerForm } from './form.ts'
import { AGAIN, forVisitor } from './visitor.ts'

interface ChangePage<Schema extends z.ZodMiniType> {
  readonly schema: Schema
  readonly change: (
    c: Context<AppEnv>,
    visitor: OwnSession,
    typed: z.output<Schema>,
    caller: TimedCaller,
  ) => Promise<void>
  /** The page that says that it was done, below the address of the deployment. */
  readonly next: string
}

export const passwordPage = changePage('password', {
  schema: ChangePasswordRequest,
  change: (c, visitor, typed, caller) => changePassword(c.env, visitor, typed, caller),
  next: `${PAGE_PATHS.account}?done=password`,
})

export const emailPage = changePage('email', {
  schema: ChangeEmailRequest,
  change: (c, visitor, typed, caller) => requestAddressChange(c.env, visitor, typed, caller),
  next: `${PAGE_PATHS.account}?done=email`,
})

export const leavePage = changePage('leave', {
  schema: LeaveRequest,
  async change(c, visitor, { password }, caller) {
    await leave(c.env, visitor, password, caller)
    clearPair(c)
  },
  next: `${PAGE_PATHS.sign_in}?done=left`,
})

function changePage<Schema extends z.ZodMiniType>(name: ChangePageName, { schema, change, next }: ChangePage<Schema>) {
  return {
    show: forVisitor(async (c, visitor) => {
      const isAgain = c.req.query(AGAIN) !== undefined
      return c.html(
        renderChange(await pageContext(c), name, { owner: visitor.account.email, isAgain, refusal: NOTHING_REFUSED }),
      )
    }),
    submit: forVisitor((c, visitor) =>
      answerForm(c, {
        schema,
        async act(typed, { pathOf }) {
          await change(c, visitor, typed, await readTimedCaller(c))
          return c.redirect(pathOf(next), 303)
        },
        render: (context, refusal, typed) =>
          renderChange(context, name, { owner: visitor.account.email, typed, isAgain: false, refusal }),
      }),
    ),
  }
}
