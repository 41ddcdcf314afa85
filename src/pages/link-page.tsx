/** The pages behind the links of a mail: what would happen, a button that does it, and how it went. */

import type { OfferedPlaces } from '../domain/mails/offered-places.ts'
import type { LinkPurpose } from '../domain/tokens/claims.ts'
import { type Document, Layout, toDocument } from './layout.tsx'

interface Wording {
  readonly question: string
  readonly consequence: string
  readonly button: string
  readonly done: string
  readonly afterwards: string
}

const WORDINGS: Readonly<Record<LinkPurpose, Wording>> = {
  end_sessions: {
    question: 'End all your sessions?',
    consequence:
      'Every device that is signed in to your account will have to sign in again, yours included. Places that you allowed are taken back, and the other link of the mail stops working.',
    button: 'End all my sessions',
    done: 'All your sessions have ended',
    afterwards:
      'Every device has to sign in again, the last of them within minutes. Change your password if it may be known.',
  },
  allow_place: {
    question: 'Was that you?',
    consequence:
      'If you recognize this, you can allow the place: for 90 days your sessions may move there and back. If you do not, leave this page and end all your sessions by the other link of the mail.',
    button: 'That was me, allow this place',
    done: 'This place is allowed',
    afterwards: 'The session that was blocked has ended all the same: sign in again.',
  },
}

interface AskProps {
  readonly purpose: LinkPurpose
  readonly token: string
  readonly details: readonly (readonly [name: string, value: string])[]
  /** Under which the places were named. */
  readonly policy: string
  readonly places: OfferedPlaces | null
  readonly nonce: string | undefined
}

/** Asks. Mail scanners open links and press nothing, so the button is what acts. */
export function renderAskPage({ purpose, token, details, policy, places, nonce }: AskProps): Document {
  const { question, consequence, button } = WORDINGS[purpose]
  return toDocument(
    <Layout title={question} nonce={nonce}>
      <p>{consequence}</p>
      <h2>What happened</h2>
      <dl>
        {details.map(([name, value]) => (
          <>
            <dt>{name}</dt>
            <dd>{breakable(value)}</dd>
          </>
        ))}
      </dl>
      <form method="post">
        <input type="hidden" name="token" value={token} />
        {places !== null && <Offer policy={policy} {...places} />}
        <button type="submit" class={purpose === 'end_sessions' ? 'danger' : undefined}>
          {button}
        </button>
      </form>
    </Layout>,
  )
}

/** What the button allows, to the word: the place of today's policy may be as wide as a country. */
function Offer({ policy, blocked, former }: OfferedPlaces & Pick<AskProps, 'policy'>) {
  return (
    <>
      <h2>What you would allow, for 90 days</h2>
      <p>{breakable(sentence(blocked.words))}</p>
      <input type="hidden" name="policy" value={policy} />
      {former !== null && (
        <label>
          <input type="checkbox" name="former" value="yes" />
          <span>Also where this session had been: {breakable(former.words)}</span>
        </label>
      )}
    </>
  )
}

interface DoneProps {
  readonly purpose: LinkPurpose
  /** What was allowed, in words. */
  readonly places: readonly string[]
  readonly nonce: string | undefined
}

export function renderDonePage({ purpose, places, nonce }: DoneProps): Document {
  const { done, afterwards } = WORDINGS[purpose]
  const allowed = places.map((words) => `from ${words}`).join(', and ')
  return toDocument(
    <Layout title={done} nonce={nonce}>
      {allowed !== '' && <p>For 90 days, your sessions may be used {breakable(allowed)}.</p>}
      <p>{afterwards}</p>
      <p class="quiet">You can close this page.</p>
    </Layout>,
  )
}

interface FailedProps {
  readonly reason: 'used' | 'not_valid' | 'trouble'
  readonly nonce: string | undefined
}

/** Why a link does nothing, in words that say what to do instead. */
export function renderFailedPage({ reason, nonce }: FailedProps): Document {
  const [title, advice] = {
    used: [
      'This link was used already',
      'Each link of a mail works once, none after all sessions were ended by it, and mails are forgotten after thirty days. To see where you are signed in, sign in and look at your sessions.',
    ],
    not_valid: [
      'This link does not work',
      'It may be older than 24 hours, or it was not copied whole. Open it from the mail itself; if it is too old, sign in and look at your sessions there.',
    ],
    trouble: [
      'This did not work just now',
      'The trouble is on our side. It may have been done all the same: please try again in a minute.',
    ],
  }[reason]
  return toDocument(
    <Layout title={title ?? ''} nonce={nonce}>
      <p>{advice}</p>
    </Layout>,
  )
}

function sentence(words: string): string {
  return `${words.charAt(0).toUpperCase()}${words.slice(1)}.`
}

/** An IPv6 address breaks after its colons, not inside a group. */
function breakable(value: string) {
  if (value.split(':').length < 3) return value
  return value.split(/(?<=:)/).flatMap((part, i) => (i === 0 ? [part] : [<wbr />, part]))
}
