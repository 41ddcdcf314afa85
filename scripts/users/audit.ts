/** `audit`: the ledger, newest first. */

import { AuditEntry } from './answers.ts'
import { printList } from './print-list.ts'
import type { Context } from './context.ts'
import { findAccount, shortGuid } from './find-account.ts'
import { UsageProblem } from './problem.ts'
import { minuteOf, readTime } from './time.ts'
import { AUDIT_ACTIONS } from '../../src/domain/operators/audit.ts'
import { nearestWord } from '../nearest-word.ts'

const COLUMNS = [
  { title: 'WHEN' },
  { title: 'WHO', shrinks: true },
  { title: 'DID', shrinks: true },
  { title: 'ACCOUNT' },
  { title: 'WHAT', shrinks: true },
]

export async function listAudit(context: Context): Promise<void> {
  const { line } = context
  const [account] = line.operands
  const action = line.value('action')
  if (action !== undefined && !Object.hasOwn(AUDIT_ACTIONS, action)) {
    const near = nearestWord(action, Object.keys(AUDIT_ACTIONS))
    throw new UsageProblem(
      `--action ${action} is none of the ledger${near === undefined ? `: ${Object.keys(AUDIT_ACTIONS).join(', ')}` : `: did you mean ${near}?`}`,
    )
  }
  const now = Math.floor(Date.now() / 1000)
  const timeOf = (text: string | undefined) => (text === undefined ? undefined : readTime(text, now))
  const query = {
    // An entry outlives its account, so that a guid is taken as it is.
    guid: account === undefined ? undefined : await guidOf(context, account),
    actor: line.value('actor'),
    action,
    since: timeOf(line.value('since')),
    until: timeOf(line.value('until')),
  }
  await printList(
    context,
    { noun: 'entries', schema: AuditEntry, path: '/audit', query },
    {
      columns: COLUMNS,
      row: (entry) => [
        minuteOf(entry.at),
        entry.actor,
        entry.action,
        shortGuid(entry.guid ?? ''),
        factsOf(entry.facts),
      ],
      none: 'The ledger has no such entry.',
    },
  )
}

async function guidOf({ client }: Context, account: string): Promise<string> {
  if (/^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/i.test(account)) return account.toLowerCase()
  return (await findAccount(client, account)).guid
}

/** What an act was about, in words: `group staff → admin, claims`. */
export function factsOf({
  fields,
  from,
  to,
  claims: _claims,
  removed: _removed,
  ...others
}: AuditEntry['facts']): string {
  const changes = Array.isArray(fields)
    ? fields.map((field: unknown) => {
        const [before, after] = [valueOf(from, field), valueOf(to, field)]
        return before === undefined && after === undefined
          ? wordOf(field)
          : `${wordOf(field)} ${wordOf(before)} → ${wordOf(after)}`
      })
    : []
  return [...changes, ...Object.entries(others).map(([name, value]) => `${name} ${wordOf(value)}`)].join(', ')
}

function valueOf(values: unknown, field: unknown): unknown {
  const isKnown =
    typeof values === 'object' && values !== null && typeof field === 'string' && Object.hasOwn(values, field)
  return isKnown ? (values as Readonly<Record<string, unknown>>)[field] : undefined
}

function wordOf(value: unknown): string {
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? '')
}
