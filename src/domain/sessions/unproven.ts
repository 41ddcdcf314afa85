/** What a bound session answers where its key was not proven. Loaded when one is met. */

import { TesseraError } from '../../errors.ts'
import type { Cause } from '../../log.ts'
import type { Services } from '../services.ts'
import type { RefreshClaims } from '../tokens/claims.ts'
import { askedChallenge } from '../tokens/dbsc.ts'
import { OUTCOMES, type Unproven, type Verdict } from './verdict.ts'

/**
 * The error that asks for a proof in the way in which the session is bound. For a browser it has the challenge to sign, which is good with the
 * presented token alone. Without a `cause` it is no line of the log.
 */
export async function proofRequired(
  { tokens, now: clock }: Pick<Services, 'tokens' | 'now'>,
  { kind, session }: Extract<Verdict, { kind: Unproven }>,
  { jti, sid, guid }: RefreshClaims,
  cause: Cause | undefined,
): Promise<TesseraError> {
  if (session.binding?.by !== 'dbsc') return new TesseraError('dpop_proof_not_valid', { cause, sid, guid })
  const challenge = await askedChallenge(tokens, { sid, jti, key: session.binding.key }, clock())
  return new TesseraError(OUTCOMES[kind].answer, { cause, sid, guid, challenge })
}
