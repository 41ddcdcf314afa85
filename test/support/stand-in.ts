/** A deployment to a Cloudflare that is none: what it is asked, what somebody types, and what is printed. */

import { afterEach, beforeEach, vi } from 'vitest'

import { type Cloudflare, createCloudflare, explain } from '../../scripts/deploy/cloudflare.ts'
import type { Prompt } from '../../scripts/deploy/prompt.ts'
import { ACCOUNT, type CloudflareApi, startCloudflareApi, TOKEN } from './cloudflare-api.ts'

export let api: CloudflareApi

export let cloudflare: Cloudflare

/** A Cloudflare of its own for each test of a file, and nothing printed. */
export function startStandIn(): void {
  beforeEach(async () => {
    api = await startCloudflareApi()
    vi.stubEnv('CLOUDFLARE_API_BASE_URL', api.url)
    vi.stubEnv('CLOUDFLARE_ACCOUNT_ID', undefined)
    vi.spyOn(console, 'log').mockReturnValue(undefined)
    cloudflare = createCloudflare({ type: 'api_token', token: TOKEN })
  })

  afterEach(async () => {
    vi.unstubAllEnvs()
    vi.restoreAllMocks()
    await api.close()
  })
}

/** The line that somebody reads whose deploy ended in this. */
export async function lineOf(promise: unknown): Promise<string | null> {
  try {
    await promise
  } catch (error) {
    return explain(error)
  }
  return 'nothing was refused'
}

/** Types the answers, one a question, and remembers what was asked. */
export function typist(...answers: string[]): Prompt & { readonly asked: string[] } {
  const asked: string[] = []
  const ask = (question: string) => {
    asked.push(question)
    const answer = answers.shift()
    return answer === undefined ? Promise.reject(new Error(`nobody answers ${question}`)) : Promise.resolve(answer)
  }
  return { ask, askHidden: ask, asked }
}

/** The lines that were printed since they were last asked for. */
export function said(): unknown[] {
  return vi.mocked(console.log).mock.calls.splice(0).flat()
}

export const RIGHTS = 'https://dash.cloudflare.com/profile/api-tokens'

export const DASH = `https://dash.cloudflare.com/${ACCOUNT}`
