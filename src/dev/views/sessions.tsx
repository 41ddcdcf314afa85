/** The sessions of all accounts: the live ones, and those that ended last. */

import { type Device, readDevice } from '../../domain/mails/device.ts'
import type { Services } from '../../domain/services.ts'
import { en } from '../../words/en.ts'
import type { SessionRecord } from '../records.ts'
import { describeEnd } from '../visitor.ts'
import { Card, Empty } from './frame.tsx'
import { Away } from './time.tsx'

const MAX_ENDED = 4

function deviceName(device: Device | null): string {
  return device === null ? 'unknown device' : en.device(device)
}

interface SessionsProps {
  readonly sessions: readonly SessionRecord[]
  readonly services: Pick<Services, 'settings' | 'now'>
  /** The session of this browser's access token. */
  readonly currentSid: string | null
}

export function Sessions({ sessions, services, currentSid }: SessionsProps) {
  const judged = sessions.map((session) => ({ session, end: describeEnd(services, session) }))
  const live = judged.filter(({ end }) => end === null)
  const ended = judged.filter(({ end }) => end !== null).slice(0, MAX_ENDED)
  return (
    <Card id="sessions" title="Sessions" note={`${live.length} live`}>
      {judged.length === 0 && <Empty>None. Every sign-in opens one, by curl too.</Empty>}
      <ul class="rows">
        {[...live, ...ended].map(({ session, end }) => (
          <li>
            <div class="grow">
              <p class="title">
                {session.email ?? session.guid ?? 'a deleted account'}
                {end === null ? <span class="badge good">live</span> : <span class="badge">{end}</span>}
                {session.sid === currentSid && <span class="badge">this browser</span>}
              </p>
              <p class="quiet small">
                {[
                  deviceName(readDevice(session.userAgent)),
                  [session.city, session.country].filter((part) => part !== null).join(', '),
                  session.ip,
                ]
                  .filter((part) => part !== '')
                  .join(' · ')}
              </p>
              <p class="quiet small">
                opened <Away at={session.createdAt} now={services.now()} />
                {session.issuedAt !== session.createdAt && (
                  <>
                    {' · '}refreshed <Away at={session.issuedAt} now={services.now()} />
                  </>
                )}
              </p>
            </div>
            {end === null && (
              <form method="post" action="/dev/sessions/end">
                <input type="hidden" name="sid" value={session.sid} />
                <button type="submit" class="danger" aria-label={`End the session of ${session.email ?? session.guid}`}>
                  End
                </button>
              </form>
            )}
          </li>
        ))}
      </ul>
    </Card>
  )
}
