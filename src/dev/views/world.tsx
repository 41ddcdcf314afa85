/** The place and the clock of this run, with buttons that change them. */

import type { Settings } from '../../domain/settings.ts'
import { describePlace, PlaceId } from '../places.ts'
import type { Run } from '../run.ts'
import { describeDuration, describeMoment } from './time.tsx'

const STEPS = [
  ['360', '6 minutes later'],
  ['86400', 'A day later'],
  ['950400', '11 days later'],
] as const

interface WorldProps {
  readonly run: Pick<Run, 'place' | 'aheadSeconds'>
  readonly now: number
  readonly settings: Settings
}

export function World({ run, now, settings }: WorldProps) {
  return (
    <section class="card" aria-label="Where and when">
      <div class="body world">
        <Where run={run} settings={settings} />
        <When run={run} now={now} />
      </div>
    </section>
  )
}

function Where({ run, settings }: Pick<WorldProps, 'run' | 'settings'>) {
  return (
    <form method="post" action="/dev/place">
      <fieldset>
        <legend>
          <span>Pretend to be elsewhere</span>
        </legend>
        <div class="buttons">
          {PlaceId.options.map((id) => (
            <button type="submit" name="place" value={id} aria-pressed={id === run.place ? 'true' : 'false'}>
              {describePlace(id).name}
            </button>
          ))}
        </div>
        <p class="small">{describePlace(run.place).detail}</p>
        <p class="quiet small">
          For every request of this run, of curl too, unless it sends its own <code>CF-Connecting-IP</code>.{' '}
          <code>LOCATION_POLICY</code> is <code>{settings.locationPolicy}</code>.
        </p>
      </fieldset>
    </form>
  )
}

function When({ run, now }: Pick<WorldProps, 'run' | 'now'>) {
  return (
    <form method="post" action="/dev/clock">
      <fieldset>
        <legend>
          <span>Let time pass</span>
        </legend>
        <div class="buttons">
          {STEPS.map(([ahead, label]) => (
            <button type="submit" name="ahead" value={ahead}>
              {label}
            </button>
          ))}
          <button type="submit" name="ahead" value="now" disabled={run.aheadSeconds === 0}>
            Back to now
          </button>
        </div>
        <p class="small">
          <time datetime={new Date(now * 1000).toISOString()}>{describeMoment(now)}</time>{' '}
          {run.aheadSeconds > 0 && <span class="badge warn">{describeDuration(run.aheadSeconds)} ahead</span>}
        </p>
        <p class="quiet small">
          The Worker’s clock moves and its cron runs; your browser’s clock does not, so it keeps cookies that it would
          have dropped. Back at now, a later token is not valid yet.
        </p>
      </fieldset>
    </form>
  )
}
