/** The mails of the outbox, newest first. Each opens as its owner gets it. */

import type { ShownMail } from '../mails.ts'
import { describeState } from '../mails.ts'
import { Card, Empty } from './frame.tsx'
import { Away } from './time.tsx'

export function MailList({ mails, now }: { readonly mails: readonly ShownMail[]; readonly now: number }) {
  return (
    <Card id="mails" title="Mails">
      {mails.length === 0 && <Empty>None yet. Use a pair from elsewhere, and its owner gets one.</Empty>}
      <ul class="rows">
        {mails.map(({ record, content }) => (
          <li>
            <div class="grow">
              <p class="title">
                <a href={`/dev/mails/${record.id}`}>{content?.subject ?? `unreadable: ${record.kind}`}</a>
              </p>
              <p class="quiet small">
                <MailState record={record} /> to {record.recipient}, <Away at={record.createdAt} now={now} />
              </p>
            </div>
          </li>
        ))}
      </ul>
    </Card>
  )
}

const BADGES = { sent: 'badge good', waiting: 'badge warn', parked: 'badge bad' } as const

export function MailState({ record }: Pick<ShownMail, 'record'>) {
  const { state, detail } = describeState(record)
  return (
    <span class={BADGES[state]} title={detail}>
      {state}
    </span>
  )
}
