/**
 * The pages of the playground. A form posts to an action, whose answer redirects to the page, so that a reload repeats no
 * action. `local.ts` decides which requests get here.
 *
 * - GET /dev                   the main page
 * - GET /dev/mails/{id}        a mail, as its owner gets it
 * - GET /dev/mails/{id}/body   the mail alone, for a frame
 */

import { Hono } from 'hono'
import { html } from 'hono/html'
import { NONCE, secureHeaders } from 'hono/secure-headers'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import { getPathNoStrict } from 'hono/utils/url'

import { describeError } from '../domain/describe-error.ts'
import { TesseraError } from '../errors.ts'
import { actions } from './actions.ts'
import { type ShownMail, showMail } from './mails.ts'
import { type Records, readRecords } from './records.ts'
import { MailPage } from './views/mail-page.tsx'
import { PlaygroundPage } from './views/playground-page.tsx'
import { TroublePage } from './views/trouble-page.tsx'
import { findVisitor } from './visitor.ts'
import { basePathOf, type PlaygroundContext, type PlaygroundEnv } from './workbench.ts'

const NO_RECORDS: Records = { accounts: [], sessions: [], mails: [] }

// The policy is that of the pages behind the links of mails, and allows the frame of a mail besides. Forms of a page without a
// referrer would be sent with `Origin: null`, which `isSameOrigin` refuses.
const pageHeaders = secureHeaders({
  contentSecurityPolicy: {
    defaultSrc: ["'none'"],
    styleSrc: [NONCE],
    formAction: ["'self'"],
    frameSrc: ["'self'"],
    baseUri: ["'none'"],
    frameAncestors: ["'none'"],
  },
  xFrameOptions: 'DENY',
  strictTransportSecurity: false,
  referrerPolicy: 'same-origin',
})

/** The headers of a framed mail: inline styles, links that open in another tab, no script, and no origin of its own. */
const MAIL_HEADERS = {
  'Content-Security-Policy':
    "default-src 'none'; img-src https:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'; sandbox allow-popups allow-popups-to-escape-sandbox",
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
  'Cache-Control': 'no-store',
}

export function createPlayground() {
  const app = new Hono<PlaygroundEnv>({
    getPath(request, options) {
      const path = getPathNoStrict(request)
      // The refresh cookie goes below `BASE_PATH` only, and so does the form that needs it.
      const basePath = options?.env === undefined ? '' : basePathOf(options.env)
      return path === `${basePath}/refresh/dev` ? '/refresh/dev' : path
    },
  })

  app.get('/dev/mails/:id/body', async (c) => {
    const mail = await findMail(c)
    if (mail === null || mail.content === null) return c.notFound()
    return c.html(mail.content.html.replace('<head>', '<head><base target="_blank" />'), 200, MAIL_HEADERS)
  })

  return app
    .use(pageHeaders)
    .use(async (c, next) => {
      await next()
      c.res.headers.set('Cache-Control', 'no-store')
    })
    .get('/dev', async (c) => {
      const { run, runtime, passwords } = c.env
      if (runtime instanceof Error) return page(c, <TroublePage nonce={nonceOf(c)} reason={runtime.message} />, 500)
      const { services, delivery } = runtime
      const { records, trouble } = await read(c)
      return page(
        c,
        <PlaygroundPage
          nonce={nonceOf(c)}
          run={run}
          services={services}
          passwords={passwords}
          trouble={trouble}
          accounts={records.accounts}
          sessions={records.sessions}
          mails={await Promise.all(records.mails.map((record) => showMail(delivery, record)))}
          visitor={await findVisitor(services, c.req.raw, records)}
        />,
      )
    })
    .get('/dev/mails/:id', async (c) => {
      const mail = await findMail(c)
      return mail === null ? c.notFound() : page(c, <MailPage nonce={nonceOf(c)} now={c.env.now()} mail={mail} />)
    })
    .route('/', actions)
    .notFound((c) => page(c, <TroublePage nonce={nonceOf(c)} reason="There is no such page." />, 404))
    .onError((error, c) => page(c, <TroublePage nonce={nonceOf(c)} reason={reasonOf(error)} />, statusOf(error)))
}

function page(c: PlaygroundContext, content: unknown, status: ContentfulStatusCode = 200) {
  return c.html(html`<!doctype html>${content}`, status)
}

function nonceOf(c: PlaygroundContext): string | undefined {
  return c.get('secureHeadersNonce')
}

/** The rows to show; where the tables cannot be read, none and the reason, so that the rest of the page works all the same. */
async function read({ env }: PlaygroundContext): Promise<{ records: Records; trouble: string | null }> {
  try {
    return { records: await readRecords(env.database), trouble: null }
  } catch (error) {
    return { records: NO_RECORDS, trouble: reasonOf(error) }
  }
}

async function findMail(c: PlaygroundContext): Promise<ShownMail | null> {
  const { runtime } = c.env
  if (runtime instanceof Error) throw runtime
  const { records } = await read(c)
  const record = records.mails.find(({ id }) => id === c.req.param('id'))
  return record === undefined ? null : showMail(runtime.delivery, record)
}

/** The cause of an error, which answers of the Worker never show. On this machine it is what helps. */
function reasonOf(error: unknown): string {
  return describeError(error instanceof TesseraError && error.cause !== undefined ? error.cause : error)
}

function statusOf(error: unknown): ContentfulStatusCode {
  return error instanceof TesseraError ? error.status : 500
}
