/** GET /docs/errors and /docs/errors.md: the catalogue of errors, out of the closed tables, as a page and as Markdown. */

import type { Context } from 'hono'

import { ERROR_REASONS } from '../../error-reasons.ts'
import { ERROR_REMEDIES } from '../../error-remedies.ts'
import { ERRORS } from '../../errors.ts'
import { type CatalogueEntry, renderCatalogue } from '../../pages/errors-page.ts'
import { CODES } from '../answer/answer-contract.ts'
import type { setPageHeaders } from '../answer/page-headers.ts'
import type { AppEnv } from '../factory.ts'
import { MAX_AGE_SECONDS } from './asset.ts'

const ENTRIES: readonly CatalogueEntry[] = CODES.map((code) => ({
  code,
  ...ERRORS[code],
  happened: sentence(ERROR_REASONS[code]),
  remedy: ERROR_REMEDIES[code],
}))

/** The catalogue as a page in the look of the deployment. Whoever reads it is a developer, and reads English. */
export async function answerCatalogue(
  c: Context<AppEnv>,
  nonce: string,
  setHeaders: typeof setPageHeaders,
): Promise<Response> {
  const { settings } = c.env
  const page = await renderCatalogue({ language: 'en', brand: settings.app, nonce }, ENTRIES)
  const answer = c.html(String(page))
  setHeaders(answer.headers, nonce, settings)
  // Other pages have the language that is asked for.
  answer.headers.delete('Vary')
  return answer
}

/** The same as Markdown. */
export function answerCatalogueText(c: Context<AppEnv>): Response {
  c.header('Cache-Control', `public, max-age=${MAX_AGE_SECONDS}`)
  return c.body(catalogueText(), 200, { 'Content-Type': 'text/markdown; charset=utf-8' })
}

/** The catalogue in Markdown, with a heading a code: its anchors are those of the page. */
export function catalogueText(): string {
  const entries = ENTRIES.map(({ code, status, details, happened, remedy }) =>
    [
      `## ${code}`,
      `- Status: ${status}\n- Detail: ${details.join(' / ')}`,
      `**What happened.** ${happened}`,
      `**What to do.** ${remedy}`,
    ].join('\n\n'),
  )
  const intro =
    'Every error that this API answers, by its `code`. The `type` of a problem leads to its entry here. Decide by the code: texts are for people.'
  return `${['# Errors', intro, ...entries].join('\n\n')}\n`
}

function sentence(reason: string): string {
  return `${reason.charAt(0).toUpperCase()}${reason.slice(1)}.`
}
