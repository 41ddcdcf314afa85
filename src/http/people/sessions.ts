/** The page of sessions and places, where an owner ends the ones and takes the others back. */

import type { Context } from 'hono'

import type { OwnSession } from '../../domain/accounts/account.ts'
import { endOthers, endOwn } from '../../domain/sessions/end.ts'
import { TesseraError } from '../../errors.ts'
import { renderSessions } from '../../pages/account/sessions.ts'
import { pageContext } from '../answer/page-context.ts'
import type { AppEnv } from '../factory.ts'
import { readForm } from '../request/body.ts'
import { readTimeZone } from '../request/language.ts'
import { FormFields } from './form.ts'
import { forVisitor } from './visitor.ts'

export const show = forVisitor(async (c, visitor) => {
  const { account, sid: currentSid } = visitor
  const { sessions: store, places: allowed, settings, now } = c.env
  const [context, sessions, places] = await Promise.all([
    pageContext(c),
    store.list(account.id, now(), settings),
    allowed.list(account.id, now()),
  ])
  const news = c.req.query('done') === undefined ? undefined : context.words.accountPages.news.done
  return c.html(renderSessions(context, { sessions, currentSid, places, timeZone: readTimeZone(c), news }))
})

/** One button a session, one for all others, and one a place. What is gone already was done: the list says so. */
export const submit = forVisitor(async (c, visitor) => {
  const { end, others, place } = await readForm(c, FormFields)
  await act(c, visitor, { end, others, place })
  return c.redirect('?done=1', 303)
})

interface Asked {
  readonly end: string | undefined
  readonly others: string | undefined
  readonly place: string | undefined
}

async function act(c: Context<AppEnv>, visitor: OwnSession, { end, others, place }: Asked): Promise<void> {
  if (end !== undefined) await ifThere(endOwn(c.env, visitor, end))
  else if (others !== undefined) await ifThere(endOthers(c.env, visitor))
  else if (place !== undefined && /^\d{1,15}$/.test(place)) await c.env.places.remove(visitor.account.id, Number(place))
}

/** Passes over the refusal of what is gone already. */
async function ifThere(end: Promise<void>): Promise<void> {
  try {
    await end
  } catch (error) {
    if (!(error instanceof TesseraError && error.status < 500)) throw error
  }
}
