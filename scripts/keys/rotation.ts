/**
 * The rotation of `AUTH_SECRET`, by the steps of docs/configuration.md: publish, wait, sign, forget. Each is taken only where what verifiers have
 * seen allows it, so that no token meets a verifier without its key.
 */

import { LINKS } from '../../src/domain/mails/links.ts'
import { JWKS_SECONDS } from '../../src/domain/tokens/tokens.ts'

/** The secrets of a rotation, as they stand in a file. Empty ones count as none. */
export interface RotatingSecrets {
  readonly AUTH_SECRET: string
  readonly AUTH_SECRET_NEXT: string
  /** Newest first, comma-separated. */
  readonly AUTH_SECRET_PREVIOUS: string
}

/** What a deployment serves: its keys in their order, the signing one first, and since when this machine has seen it so. */
export interface Served {
  readonly kids: readonly string[]
  /** By kid: when it was first seen listed, and first seen signing, in seconds since 1970. */
  readonly listedSince: Readonly<Record<string, number>>
  readonly signingSince: Readonly<Record<string, number>>
}

export interface Circumstances {
  /** Of each secret, the kid of its key. */
  readonly kidOf: (secret: string) => string
  /** Null where the JWKS could not be fetched. */
  readonly served: Served | null
  readonly refreshTtlSeconds: number
  readonly newSecret: () => string
  readonly now: number
}

/** `change`: the next step. `wait`: it is not safe yet. `deploy`: the file is ahead of what is served. */
export type Step =
  | { readonly kind: 'change'; readonly secrets: RotatingSecrets; readonly did: string; readonly effect: string }
  | { readonly kind: 'wait'; readonly why: string; readonly until: number }
  | { readonly kind: 'deploy'; readonly why: string }

/** The longest that a link in a mail is good, which the same secret signs. */
const LINK_SECONDS = Math.max(...Object.values(LINKS).map(({ lifetimeSeconds }) => lifetimeSeconds))

/** The next step of a rotation, which begins one where none is under way. */
export function nextStep(secrets: RotatingSecrets, circumstances: Circumstances): Step {
  const { AUTH_SECRET: current, AUTH_SECRET_NEXT: next, AUTH_SECRET_PREVIOUS: previous } = secrets
  const { kidOf, served, newSecret } = circumstances
  if (served === null) return { kind: 'deploy', why: 'Nobody knows what is served: the JWKS could not be fetched.' }
  if (served.kids[0] !== kidOf(current)) {
    return { kind: 'deploy', why: 'AUTH_SECRET is not the secret whose key signs there.' }
  }
  if (next !== '' && next !== current) return promote(secrets, next, circumstances, served)
  if (previous !== '') return forget(secrets, circumstances, served)
  const changed = { ...secrets, AUTH_SECRET_NEXT: newSecret() }
  return {
    kind: 'change',
    secrets: changed,
    did: 'AUTH_SECRET_NEXT is a new secret.',
    effect: 'its key is listed beside the one that signs',
  }
}

function promote(secrets: RotatingSecrets, next: string, { kidOf, now }: Circumstances, served: Served): Step {
  const since = served.listedSince[kidOf(next)]
  if (!served.kids.includes(kidOf(next)) || since === undefined) {
    return { kind: 'deploy', why: 'AUTH_SECRET_NEXT is not listed there: tokens of its key would be refused.' }
  }
  if (now < since + JWKS_SECONDS) {
    return {
      kind: 'wait',
      why: 'Verifiers may keep a JWKS without the next key until then.',
      until: since + JWKS_SECONDS,
    }
  }
  const { AUTH_SECRET: current, AUTH_SECRET_PREVIOUS: previous } = secrets
  return {
    kind: 'change',
    secrets: {
      AUTH_SECRET: next,
      AUTH_SECRET_NEXT: '',
      AUTH_SECRET_PREVIOUS: previous === '' ? current : `${current},${previous}`,
    },
    did: 'AUTH_SECRET is the next secret, and the one before is in AUTH_SECRET_PREVIOUS.',
    effect: 'new tokens are signed with it, and old ones are good as before',
  }
}

function forget(secrets: RotatingSecrets, circumstances: Circumstances, served: Served): Step {
  const { kidOf, now, refreshTtlSeconds } = circumstances
  const since = served.signingSince[kidOf(secrets.AUTH_SECRET)] ?? now
  const until = since + Math.max(refreshTtlSeconds, LINK_SECONDS)
  if (now < until) {
    return { kind: 'wait', why: 'Refresh tokens, and links in mails, of the secret before are good until then.', until }
  }
  return {
    kind: 'change',
    secrets: { ...secrets, AUTH_SECRET_PREVIOUS: '' },
    did: 'AUTH_SECRET_PREVIOUS is empty.',
    effect: 'the rotation is over',
  }
}

/** Notes what a JWKS lists now. What is not listed any more is forgotten. */
export function note(kids: readonly string[], before: Omit<Served, 'kids'>, now: number): Served {
  const [signing] = kids
  return {
    kids,
    listedSince: Object.fromEntries(kids.map((kid) => [kid, before.listedSince[kid] ?? now])),
    signingSince: signing === undefined ? {} : { [signing]: before.signingSince[signing] ?? now },
  }
}
