/** Whether a deployment answers, seen from here. */

import { setTimeout as sleep } from 'node:timers/promises'

import * as z from 'zod/mini'

const ATTEMPT_TIMEOUT_MS = 10_000
const PAUSE_MS = 3000

const Health = z.object({ checks: z.record(z.string(), z.string()) })

/**
 * Waits until the Worker answers, at most `seconds`: a new domain needs its record and its certificate first. Returns the
 * parts of it that are not well; `null` when nothing of ours answered.
 */
export async function waitForAnswer(url: string, seconds: number): Promise<readonly string[] | null> {
  const end = Date.now() + seconds * 1000
  for (;;) {
    const unwell = await unwellParts(url)
    if (unwell !== null || Date.now() + PAUSE_MS > end) return unwell
    await sleep(PAUSE_MS)
  }
}

/** The parts that are not well. `null` for an answer that is not that of `/healthz`: before a domain is ready, another server may answer. */
async function unwellParts(url: string): Promise<readonly string[] | null> {
  try {
    const signal = AbortSignal.timeout(ATTEMPT_TIMEOUT_MS)
    const response = await fetch(`${url}/healthz`, { redirect: 'manual', signal })
    const { checks } = Health.parse(await response.json())
    return Object.keys(checks).filter((part) => checks[part] !== 'ok')
  } catch {
    return null
  }
}

export type SignIn = 'works' | 'refused' | 'too little CPU' | 'unknown'

/** Signs in with a password. An address that nobody has costs the Worker as much, and is `refused`. */
export async function signIn(url: string, credentials: { primary_email: string; password: string }): Promise<SignIn> {
  const response = await fetch(`${url}/auth/token`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(credentials),
    signal: AbortSignal.timeout(ATTEMPT_TIMEOUT_MS),
  }).catch(() => null)
  if (response === null) return 'unknown'
  // "Worker exceeded resource limits": https://developers.cloudflare.com/support/troubleshooting/http-status-codes/cloudflare-1xxx-errors/
  if (/\b1102\b/.test(await response.text())) return 'too little CPU'
  if (response.status === 401) return 'refused'
  return response.ok ? 'works' : 'unknown'
}
