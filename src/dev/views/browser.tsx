/** The card of this browser: its account and session, buttons that use its pair, and the last action with its answer. */

import { describePlace } from '../places.ts'
import type { Action, Run } from '../run.ts'
import type { Visitor } from '../visitor.ts'
import { Events } from './events.tsx'
import { Card } from './frame.tsx'
import { Away, describeDuration } from './time.tsx'

interface BrowserProps {
  readonly visitor: Visitor | null
  readonly hasPrevious: boolean
  readonly run: Pick<Run, 'last' | 'place' | 'aheadSeconds'>
  readonly now: number
  readonly refreshTtlSeconds: number
  /** What stands before every path of the Worker, or `''`. */
  readonly basePath: string
}

export function Browser({ visitor, hasPrevious, run, now, refreshTtlSeconds, basePath }: BrowserProps) {
  const { last, place, aheadSeconds } = run
  const pretended = [
    ...(place === 'home' ? [] : [describePlace(place).name]),
    ...(aheadSeconds === 0 ? [] : [`${describeDuration(aheadSeconds)} ahead`]),
  ]
  return (
    <Card id="browser" title="This browser" note={pretended.join(' · ')}>
      <div class="body">
        {visitor === null ? (
          <p class="quiet">
            Nobody is signed in. Sign in as one of the accounts: its pair of tokens comes to this browser in two
            cookies.
          </p>
        ) : (
          <>
            <Holder visitor={visitor} now={now} refreshTtlSeconds={refreshTtlSeconds} />
            <Moves hasPrevious={hasPrevious} basePath={basePath} />
          </>
        )}
      </div>
      {last !== null && <LastAction {...last} />}
    </Card>
  )
}

interface HolderProps {
  readonly visitor: Visitor
  readonly now: number
  readonly refreshTtlSeconds: number
}

function Holder({ visitor: { name, claims, session, end }, now, refreshTtlSeconds }: HolderProps) {
  return (
    <>
      <dl>
        <dt>Account</dt>
        <dd>
          <strong>{name}</strong>
        </dd>
        <dt>Session</dt>
        <dd>
          <code title={claims.sid}>{claims.sid.slice(0, 8)}</code>{' '}
          <span class={end === null ? 'badge good' : 'badge bad'}>{end === null ? 'live' : `ended: ${end}`}</span>
        </dd>
        <dt>Access token</dt>
        <dd>
          {claims.exp > now ? 'expires ' : 'expired '}
          <Away at={claims.exp} now={now} />
        </dd>
        {session !== null && end === null && (
          <>
            <dt>Refresh token</dt>
            <dd>
              expires <Away at={session.expiresAt} now={now} />
            </dd>
          </>
        )}
      </dl>
      {hintFor(claims.iat, claims.iat + refreshTtlSeconds, now)}
    </>
  )
}

/** A hint where the clock of this run has moved so far that the pair is not valid yet, or would be gone from the browser. */
function hintFor(issuedAt: number, expiresAt: number, now: number) {
  const hint =
    issuedAt > now + 60
      ? 'This pair was made at a later time than now, so it is not valid yet. Sign in again, or let time pass.'
      : expiresAt <= now
        ? 'By now a browser whose clock moved, too, would have dropped both cookies: its answer would be “Access token is missing”.'
        : null
  return hint !== null && <p class="notice warn">{hint}</p>
}

function Moves({ hasPrevious, basePath }: Pick<BrowserProps, 'hasPrevious' | 'basePath'>) {
  return (
    <div>
      <div class="buttons">
        <form method="post" action={`${basePath}/refresh/dev`}>
          <button type="submit" name="how" value="refresh" class="primary">
            Refresh
          </button>
        </form>
        <form method="post" action={`${basePath}/refresh/dev`}>
          <button type="submit" name="how" value="again" disabled={!hasPrevious}>
            Previous pair again
          </button>
        </form>
        <form method="post" action={`${basePath}/refresh/dev`}>
          <button type="submit" name="how" value="steal">
            Use from elsewhere
          </button>
        </form>
        <form method="post" action="/dev/sign-out">
          <button type="submit">Sign out</button>
        </form>
      </div>
      <p class="quiet small below">
        {hasPrevious
          ? 'Within 10 seconds after a refresh the previous pair is a race; 6 minutes later it is theft.'
          : 'After a refresh, the pair before it can be presented again.'}{' '}
        Used from elsewhere is what a thief does with a copy of these cookies.
      </p>
    </div>
  )
}

function LastAction({ title, exchange, events }: Action) {
  return (
    <div class="body last">
      <p class="title">
        {title}
        {exchange !== null && <span class={exchange.status < 400 ? 'badge good' : 'badge bad'}>{exchange.status}</span>}
      </p>
      {exchange !== null && (
        <>
          <div class="wire">
            <h3>Request</h3>
            <pre>{exchange.request}</pre>
          </div>
          <div class="wire">
            <h3>Answer</h3>
            <pre>{exchange.answer}</pre>
          </div>
        </>
      )}
      {events.length > 0 && (
        <div class="wire">
          <h3>What the log said</h3>
          <Events events={events} />
        </div>
      )}
      {exchange !== null && exchange.tokens.length > 0 && (
        <details>
          <summary>What the tokens say</summary>
          <div class="pair">
            {exchange.tokens.map(({ name, claims }) => (
              <div class="wire">
                <h3>{name}</h3>
                <pre>{claims}</pre>
              </div>
            ))}
          </div>
        </details>
      )}
    </div>
  )
}
