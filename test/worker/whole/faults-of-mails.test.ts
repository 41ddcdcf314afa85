/** A mail while D1, the queue and the mail API fail: it is neither lost nor sent twice. */

import { env } from 'cloudflare:workers'
import * as fc from 'fast-check'
import { describe, expect, test, vi } from 'vitest'

import { emptyTables } from '../../support/accounts.ts'
import { passSeconds, START } from '../../support/clock.ts'
import { type Fault, FAULTS, type SendFault } from '../../support/faulty-bindings.ts'
import {
  expectRefused,
  mailing,
  mailsOf,
  refresh,
  type Rig,
  settleMails,
  signedIn,
  startWell,
  TIMEOUT_MILLISECONDS,
} from '../../support/faulty-worker.ts'
import { answerMailApi } from '../../support/mailbox.ts'
import { ELSEWHERE } from '../../support/worker.ts'

startWell()

describe('a mail', () => {
  type ApiAnswer = 'ok' | '429' | '500' | 'time-out' | 'accepted, time-out' | 'half' | 'accepted, broken'
  /** One thing that happens to the outbox. */
  type Step =
    | { readonly do: 'deliver'; readonly which: number; readonly twice: boolean; readonly d1: (Fault | null)[] }
    | { readonly do: 'deliver at once'; readonly d1: (Fault | null)[] }
    | { readonly do: 'wait'; readonly seconds: number }
    | { readonly do: 'sweep'; readonly d1: (Fault | null)[]; readonly send: SendFault }

  const maybeFault = fc.option(fc.constantFrom(...FAULTS), { freq: 2 })
  const d1Faults = fc.array(maybeFault, { maxLength: 3 })
  const sendFault = fc.constantFrom<SendFault>('throws', 'lost', 'doubled', null)
  const step = fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record<Step & { do: 'deliver' }>({
        do: fc.constant('deliver'),
        which: fc.nat({ max: 3 }),
        twice: fc.boolean(),
        d1: d1Faults,
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record<Step & { do: 'deliver at once' }>({ do: fc.constant('deliver at once'), d1: d1Faults }),
    },
    {
      weight: 2,
      arbitrary: fc.record<Step & { do: 'wait' }>({
        do: fc.constant('wait'),
        seconds: fc.constantFrom(1, 29, 30, 31, 300, 901),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record<Step & { do: 'sweep' }>({ do: fc.constant('sweep'), d1: d1Faults, send: sendFault }),
    },
  )
  const trouble = fc.constantFrom<ApiAnswer>(
    'ok',
    '429',
    '500',
    'time-out',
    'accepted, time-out',
    'half',
    'accepted, broken',
  )

  test(
    'is neither lost nor doubled, whatever D1, the queue and the mail API do',
    async () => {
      await fc.assert(
        fc.asyncProperty(
          sendFault,
          fc.array(trouble, { maxLength: 5 }),
          fc.array(step, { maxLength: 8 }),
          async (atFirst, answers, steps) => {
            const rig = mailing
            const api = plannedMailApi(answers)
            const { account, first } = await signedIn(rig)
            rig.messages.fail(atFirst)
            await expectRefused(await refresh(rig, first, 'GET', ELSEWHERE), 'location_blocked', 'GET')
            rig.messages.fail(null)
            for (const one of steps) await take(rig, one)
            await settleMails(rig)

            const [row, ...others] = await mailsOf(account)
            expect(others).toEqual([])
            expect(row).toMatchObject({ failed_at: null, last_error: null, recipient: account.email })
            expect(row?.['sent_at']).not.toBeNull()
            // The API keeps to its idempotency key: one key, one mail, always the same one.
            expect(new Set(api.calls.map(({ headers }) => headers['idempotency-key']))).toEqual(new Set([row?.['id']]))
            expect(new Set(api.calls.map(({ body }) => JSON.stringify(body))).size).toBe(1)
            // And it is asked again only when we could not know, or could not note, that it had accepted.
            expect(api.accepted()).toBeLessThanOrEqual(1 + api.unknown() + unnoted(steps))
            await emptyTables(env.DB)
            rig.messages.messages.length = 0
            vi.mocked(fetch).mockRestore()
          },
        ),
        { numRuns: 40 },
      )
    },
    TIMEOUT_MILLISECONDS,
  )

  test.each(['400', '401', '422'])(
    'that the mail API refuses with %s is parked, with its error, and not tried again',
    async (status) => {
      const rig = mailing
      const calls = answerMailApi(async () => new Response('no', { status: Number(status) }))
      const { account, first } = await signedIn(rig)
      await refresh(rig, first, 'GET', ELSEWHERE)
      rig.messages.fail('doubled')
      await settleMails(rig)
      expect(calls).toHaveLength(1)
      expect(await mailsOf(account)).toMatchObject([
        { sent_at: null, failed_at: START, last_error: `MailError: HTTP ${status}: no` },
      ])
    },
  )

  /** The mail API: it answers as planned, then well. */
  function plannedMailApi(plan: readonly ApiAnswer[]) {
    let accepted = 0
    let unknown = 0
    let answered = 0
    let giveUp: (() => void) | undefined
    // The transport's patience ends when the plan says so, however slow this machine is.
    vi.spyOn(AbortSignal, 'timeout').mockImplementation(() => {
      const patience = new AbortController()
      giveUp = () => patience.abort(new DOMException('The operation timed out', 'TimeoutError'))
      return patience.signal
    })
    const answer = async (): Promise<Response> => {
      const next = plan[answered++] ?? 'ok'
      if (!['429', '500', 'time-out'].includes(next)) accepted += 1
      if (next.startsWith('accepted')) unknown += 1
      switch (next) {
        case 'ok':
          return Response.json({ id: 'accepted' })
        case 'half':
          return new Response(new ReadableStream({ start: (body) => body.enqueue(new TextEncoder().encode('{"id":')) }))
        case '429':
          return new Response(null, { status: 429, headers: { 'Retry-After': '7' } })
        case '500':
          return new Response(null, { status: 500 })
        case 'accepted, broken':
          throw new TypeError('Network connection lost.')
        case 'time-out':
        case 'accepted, time-out':
          giveUp?.()
          return new Promise<never>(() => {})
      }
    }
    const calls = answerMailApi(answer)
    return { calls, accepted: () => accepted, unknown: () => unknown }
  }

  async function take({ d1, messages, scheduled }: Rig, one: Step): Promise<void> {
    switch (one.do) {
      case 'wait':
        passSeconds(one.seconds)
        return
      case 'deliver': {
        const message = messages.messages[one.which]
        if (message === undefined) return
        d1.fail(...one.d1)
        await messages.deliver(message, one.twice)
        break
      }
      case 'deliver at once':
        d1.fail(...one.d1)
        await Promise.all(messages.messages.map((message) => messages.deliver(message, false)))
        break
      case 'sweep':
        d1.fail(...one.d1)
        messages.fail(one.send)
        // A round of the cron may fail as a whole; there is another one.
        await scheduled().catch(() => {})
        messages.fail(null)
    }
    d1.heal()
  }

  /** Failures that a delivery may have met after the API's answer: each can cost one more try. */
  function unnoted(steps: readonly Step[]): number {
    return steps.filter((one) => 'd1' in one && one.do !== 'sweep' && one.d1.slice(1).some((fault) => fault !== null))
      .length
  }
})
