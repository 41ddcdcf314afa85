/** Lines of the log, newest first: when, what, and the fields. */

import type { LoggedEvent } from '../run.ts'
import { describeMoment } from './time.tsx'

export function Events({ events }: { readonly events: readonly LoggedEvent[] }) {
  return (
    <ol class="events">
      {events.toReversed().map(({ at, event: { event, ...fields } }) => (
        <li>
          <time class="quiet" datetime={new Date(at * 1000).toISOString()} title={describeMoment(at)}>
            {describeMoment(at).slice(11, 19)}
          </time>{' '}
          <b>{event}</b>{' '}
          {Object.entries(fields).map(([name, value]) => (
            <>
              <span class="quiet">{name}=</span>
              {typeof value === 'string' ? value : JSON.stringify(value)}{' '}
            </>
          ))}
        </li>
      ))}
    </ol>
  )
}
