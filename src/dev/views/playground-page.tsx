/** The main page: place and clock, this browser, accounts, sessions, mails and the log. */

import type { Services } from '../../domain/services.ts'
import type { ShownMail } from '../mails.ts'
import type { AccountRecord, SessionRecord } from '../records.ts'
import type { Run } from '../run.ts'
import type { Visitor } from '../visitor.ts'
import { Accounts } from './accounts.tsx'
import { Browser } from './browser.tsx'
import { Events } from './events.tsx'
import { Card, Empty, Frame } from './frame.tsx'
import { MailList } from './mail-list.tsx'
import { Sessions } from './sessions.tsx'
import { World } from './world.tsx'

interface PlaygroundProps {
  readonly nonce: string | undefined
  readonly run: Run
  readonly services: Pick<Services, 'settings' | 'now'>
  readonly passwords: ReadonlyMap<string, string>
  /** Why the database cannot be read, or `null`. */
  readonly trouble: string | null
  readonly accounts: readonly AccountRecord[]
  readonly sessions: readonly SessionRecord[]
  readonly mails: readonly ShownMail[]
  readonly visitor: Visitor | null
}

/** The newest events, which are shown at once; older ones are folded away. */
const SHOWN_EVENTS = 10

export function PlaygroundPage(props: PlaygroundProps) {
  const { nonce, run, services, trouble, accounts, passwords, sessions, mails, visitor } = props
  const now = services.now()
  return (
    <Frame title="Tessera playground" nonce={nonce}>
      <header class="top">
        <h1>Tessera playground</h1>
        <p class="quiet">This run of npm start, on this machine only. Nothing of this page is deployed.</p>
        <a href="/dev">Reload</a>
      </header>
      {trouble !== null && <p class="notice bad">The database cannot be read. {trouble}</p>}
      <World run={run} now={now} settings={services.settings} />
      <div class="grid">
        <div class="column">
          <Browser
            visitor={visitor}
            hasPrevious={visitor !== null && (run.pairs.get(visitor.claims.sid)?.previous ?? null) !== null}
            run={run}
            now={now}
            refreshTtlSeconds={services.settings.refreshTtlSeconds}
            basePath={services.settings.basePath}
          />
        </div>
        <div class="column">
          <Accounts accounts={accounts} passwords={passwords} />
          <Sessions sessions={sessions} services={services} currentSid={visitor?.claims.sid ?? null} />
          <MailList mails={mails} now={now} />
          <Card id="log" title="Log" note="newest first">
            {run.events.length === 0 ? (
              <Empty>Refusals and incidents are logged, and nothing was refused yet.</Empty>
            ) : (
              <div class="body">
                <Events events={run.events.slice(-SHOWN_EVENTS)} />
                {run.events.length > SHOWN_EVENTS && (
                  <details>
                    <summary>Earlier</summary>
                    <Events events={run.events.slice(0, -SHOWN_EVENTS)} />
                  </details>
                )}
              </div>
            )}
          </Card>
        </div>
      </div>
    </Frame>
  )
}
