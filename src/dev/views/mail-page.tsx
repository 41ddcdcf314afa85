/** The page of one mail: what its owner sees, with links that work, and whether it was sent. */

import { describeState, describeUses, type ShownMail } from '../mails.ts'
import { Card, Frame } from './frame.tsx'
import { MailState } from './mail-list.tsx'
import { Away, describeMoment } from './time.tsx'

interface MailPageProps {
  readonly nonce: string | undefined
  readonly now: number
  readonly mail: ShownMail
}

export function MailPage({ nonce, now, mail: { record, content } }: MailPageProps) {
  const title = content?.subject ?? 'A mail that cannot be read'
  return (
    <Frame title={title} nonce={nonce}>
      <p class="top">
        <a href="/dev#mails">← Playground</a>
      </p>
      <h1>{title}</h1>
      <div class="grid">
        <Card id="mail" title={`To ${record.recipient}`} note={describeMoment(record.createdAt)}>
          <div class="body">
            <p>
              <MailState record={record} /> <span class="quiet small">{describeState(record).detail}</span>
            </p>
            {describeUses(record).map(({ label, at }) => (
              <p class="small">
                “{label}” was used <Away at={at} now={now} />.
              </p>
            ))}
          </div>
          {content !== null && (
            <iframe
              src={`/dev/mails/${record.id}/body`}
              title="The mail"
              sandbox="allow-popups allow-popups-to-escape-sandbox"
            />
          )}
        </Card>
        {content !== null && (
          <Card id="text" title="Its plain text">
            <div class="body">
              <pre>{content.text}</pre>
            </div>
          </Card>
        )}
      </div>
    </Frame>
  )
}
