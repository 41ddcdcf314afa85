/**
 * What is read about the API: the interactive reference at /docs, the catalogue to which each problem's `type` leads, the pages of
 * documentation as Markdown, and /llms.txt. All of it is there, leads somewhere, and is served by the rules of every other answer.
 */

import { env } from 'cloudflare:workers'
import { describe, expect, test } from 'vitest'

import { ERROR_REASONS } from '../../../src/error-reasons.ts'
import { ERROR_REMEDIES } from '../../../src/error-remedies.ts'
import { type ErrorCode, ERRORS } from '../../../src/errors.ts'
import { answer, COMMON, NOT_FOUND, problem, UNAVAILABLE } from '../../support/answers.ts'
import { callWithoutDatabase } from '../../support/counted-worker.ts'
import { keepLog } from '../../support/log.ts'
import { ORIGIN, startWorker, type TestWorker, worker } from '../../support/worker.ts'

keepLog('warn')

const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"

/** Headers of every page, beside those of every answer. */
const OF_PAGES = {
  'cross-origin-opener-policy': 'same-origin',
  'origin-agent-cluster': '?1',
  'x-dns-prefetch-control': 'off',
  'x-download-options': 'noopen',
  'x-frame-options': 'DENY',
  'x-permitted-cross-domain-policies': 'none',
  'x-xss-protection': '0',
}

const CODES = Object.keys(ERRORS) as readonly ErrorCode[]

/** The headers of a file that caches may keep. */
function cached(type: string) {
  const etag = expect.stringMatching(/^(?:W\/)?"[0-9a-f]+"$/) as string
  return { ...COMMON, 'cache-control': 'public, max-age=300', 'content-type': type, etag }
}

async function textOf(path: string, by: TestWorker = worker): Promise<string> {
  const response = await by.call(path)
  expect([path, response.status]).toEqual([path, 200])
  return response.text()
}

/** Words as a page shows them, whose code stands in no backticks. */
function plain(words: string): string {
  return words.replaceAll('`', '')
}

/** The targets of the links and pictures of Markdown or HTML. */
function targetsOf(text: string): readonly string[] {
  const links = text.replace(/^```[\s\S]*?^```$/gm, '').matchAll(/\]\(([^)\s]+)\)|\b(?:src|href)="([^"]+)"/g)
  return [...links].map(([, inline, attribute]) => inline ?? attribute ?? '')
}

describe('the interactive reference', () => {
  test('stands in a folder, to which /docs leads', async () => {
    const { status, headers, body } = await answer(await worker.call('/docs', { ip: null }))
    expect({ status, headers, body }).toEqual({ status: 308, headers: { ...COMMON, location: '/docs/' }, body: '' })
  })

  test('is a page that may run files of this deployment, ask it, and nothing else', async () => {
    const { status, headers, body } = await answer(await worker.call('/docs/', { ip: null }))
    expect(status).toBe(200)
    expect(headers).toEqual({
      ...cached('text/html; charset=utf-8'),
      ...OF_PAGES,
      'content-security-policy': POLICY,
    })
    // Neither a script nor a style stands in it.
    expect(body).not.toMatch(/<script>|<script [^>]*>[^<]|<style|\son\w+=|\sstyle=/)
    const files = targetsOf(body).filter((target) => target !== 'data:,')
    expect(files).toEqual(expect.arrayContaining(['swagger-ui.js', 'swagger-ui.css', 'reference.js', 'reference.css']))
    for (const file of files) expect((await worker.call(new URL(file, `${ORIGIN}/docs/`).pathname)).status).toBe(200)
  })

  test.each([
    ['swagger-ui.js', 'text/javascript; charset=utf-8'],
    ['reference.js', 'text/javascript; charset=utf-8'],
    ['swagger-ui.css', 'text/css; charset=utf-8'],
    ['reference.css', 'text/css; charset=utf-8'],
    ['swagger-ui-LICENSE.txt', 'text/plain; charset=utf-8'],
    ['api.md', 'text/markdown; charset=utf-8'],
    ['source/examples/service.ts', 'text/plain; charset=utf-8'],
    ['source/bench/results/last.svg', 'image/svg+xml'],
    ['source/bench/results/last.json', 'application/json'],
  ])('has %s as %s, which caches keep until it has changed', async (file, type) => {
    const { status, headers } = await answer(await worker.call(`/docs/${file}`, { ip: null }))
    expect({ status, headers }).toEqual({ status: 200, headers: cached(type) })

    const again = await worker.call(`/docs/${file}`, { headers: { 'If-None-Match': headers['etag'] ?? '' } })
    expect([again.status, await again.text(), again.headers.get('ETag')]).toEqual([304, '', headers['etag']])
    const head = await worker.call(`/docs/${file}`, { method: 'HEAD' })
    expect([head.status, await head.text(), head.headers.get('ETag')]).toEqual([200, '', headers['etag']])
  })
})

describe('a path below /docs', () => {
  test.each([
    '/docs/nothing',
    '/docs/api',
    '/docs/api.md/',
    '/docs//api.md',
    '/docs/API.md',
    '/docs/.env',
    '/docs/source/wrangler.toml',
    '/docs/source/.dev.vars',
    '/docs/source',
    '/docs/..%2freference.html',
    '/docs/..%2f..%2fwrangler.toml',
    '/docs/%2e%2e%2freference.html',
    '/docs/..%5creference.html',
    '/docs/%00',
    '/docs/errors/',
    '/docs/constructor',
  ])('that is no file is not found: %s', async (path) => {
    for (const method of ['GET', 'HEAD']) {
      const expected = method === 'HEAD' ? { ...NOT_FOUND, body: '' } : NOT_FOUND
      expect(await callWithoutDatabase(path, { method })).toEqual(expected)
    }
  })

  test.each(['/docs/../healthz', '/docs/%2e%2e/healthz', '/docs/./../healthz', '/docs/source/../../healthz'])(
    'is read as every URL is, before anybody looks for a file: %s',
    async (path) => {
      expect((await worker.call(path)).headers.get('Content-Type')).toBe('application/json')
    },
  )

  test('has no name at the top: the page itself and every file are where their links say', async () => {
    for (const path of ['/reference.html', '/api.md', '/swagger-ui.js']) {
      expect((await worker.call(path)).headers.get('Content-Type')).toBe('text/plain; charset=UTF-8')
      expect((await worker.call(path)).status).toBe(400)
    }
  })

  test('has GET and HEAD, and no other method', async () => {
    for (const path of ['/docs', '/docs/', '/docs/api.md', '/docs/errors', '/llms.txt']) {
      for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS']) {
        expect(await answer(await worker.call(path, { method }))).toEqual(
          problem(405, 'Method Not Allowed', 'Method not allowed', 'method_not_allowed', {
            headers: { allow: 'GET, HEAD' },
          }),
        )
      }
    }
  })

  test('is not found where a deployment has no assets, and the catalogue is there all the same', async () => {
    const older = startWorker({ ASSETS: undefined })
    for (const path of ['/docs/', '/docs/api.md', '/llms.txt']) {
      expect(await answer(await older.call(path))).toEqual(NOT_FOUND)
    }
    expect((await older.call('/docs/errors')).status).toBe(200)
    expect((await older.call('/docs/errors.md')).status).toBe(200)
  })

  test.each([
    ['answer 500', () => Promise.resolve(new Response('trouble', { status: 500 }))],
    ['do not answer', () => Promise.reject(new Error('Network connection lost.'))],
  ])('is trouble on our side where the assets %s', async (_name, fetch) => {
    const troubled = startWorker({ ASSETS: { fetch } })
    expect(await answer(await troubled.call('/docs/api.md'))).toEqual(UNAVAILABLE)
  })

  test('is asked of the assets where it is asked of us, and nowhere else', async () => {
    const asked: string[] = []
    const fetch = (url: string) => {
      asked.push(url)
      return Promise.resolve(new Response('x'))
    }
    const counting = startWorker({ ASSETS: { fetch } })
    const paths = [
      '/healthz',
      '/openapi.json',
      '/.well-known/jwks.json',
      '/account/sign-in',
      '/refresh',
      '/docs/errors',
    ]
    for (const path of [...paths, '/docs', '/else', '/docs/.x']) await counting.call(path)
    expect(asked).toEqual([])
    for (const path of ['/docs/', '/docs/api.md', '/llms.txt']) await counting.call(path)
    expect(asked.map((url) => new URL(url).pathname)).toEqual(['/reference.html', '/docs/api.md', '/llms.txt'])
  })
})

describe('the catalogue of errors', () => {
  test('has an entry a code, to which the type of its problems leads', async () => {
    const html = await textOf('/docs/errors')
    expect([...html.matchAll(/<h2 id="(\w+)">/g)].map(([, id]) => id)).toEqual(CODES)
    for (const code of CODES) {
      const entry = html.split(`<h2 id="${code}">`)[1]?.split('<h2 ')[0] ?? ''
      const text = entry
        .replace(/<[^>]+>/g, '')
        .replaceAll('&#39;', "'")
        .replaceAll('&quot;', '"')
      expect(text).toContain(`${ERRORS[code].status} · ${ERRORS[code].details.join(' / ')}`)
      expect(text).toContain(plain(ERROR_REASONS[code]).slice(1))
      expect(text).toContain(plain(ERROR_REMEDIES[code]))
    }
  })

  test('is found under the type of a problem', async () => {
    const { type, code } = await (await worker.call('/auth/me')).json<{ type: string; code: string }>()
    const url = new URL(type)
    expect([url.origin, url.pathname, url.hash]).toEqual([ORIGIN, '/docs/errors', `#${code}`])
    expect(await textOf(url.pathname)).toContain(`id="${code}"`)
  })

  test('is a page as all are, without a script', async () => {
    const { status, headers } = await answer(await worker.call('/docs/errors', { ip: null }))
    expect({ status, headers }).toEqual({
      status: 200,
      headers: {
        ...COMMON,
        ...OF_PAGES,
        'content-type': 'text/html; charset=UTF-8',
        'content-security-policy': expect.stringMatching(
          /^default-src 'none'; style-src 'nonce-[\w+/=]{24}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'$/,
        ) as string,
      },
    })
  })

  test('has the name and the colour of the deployment', async () => {
    const html = await textOf('/docs/errors', startWorker({ APP_NAME: 'Acme <3', APP_COLOR: '#a40e26' }))
    expect(html).toContain('<title>Errors · Acme &lt;3</title>')
    expect(html).toContain('--action:#a40e26')
  })

  test('is Markdown as well, with the same anchors', async () => {
    const { status, headers, body } = await answer(await worker.call('/docs/errors.md', { ip: null }))
    const { etag: _etag, ...expected } = cached('text/markdown; charset=utf-8')
    expect({ status, headers }).toEqual({ status: 200, headers: expected })
    expect([...body.matchAll(/^## (.+)$/gm)].map(([, code]) => code)).toEqual(CODES)
    for (const code of CODES) expect(body).toContain(`**What to do.** ${ERROR_REMEDIES[code]}`)
  })
})

describe('/llms.txt', () => {
  test('is in the form of llmstxt.org', async () => {
    const { status, headers, body } = await answer(await worker.call('/llms.txt', { ip: null }))
    const { etag: _etag, ...expected } = cached('text/plain; charset=utf-8')
    expect({ status, headers }).toEqual({ status: 200, headers: expected })
    const blocks = body.trimEnd().split('\n\n')
    expect(blocks[0]).toBe('# Tessera')
    expect(blocks[1]).toMatch(/^> [^\n]+$/)
    // After the prose there are only sections, each a heading and a list of links.
    const sections = blocks.slice(blocks.findIndex((block) => block.startsWith('## ')))
    for (const [i, block] of sections.entries()) {
      expect(block).toMatch(i % 2 === 0 ? /^## .+$/ : /^(?:- \[[^\]]+\]\(https:[^)]+\): .+(?:\n|$))+$/)
    }
  })

  test('leads to the whole of it, by addresses that answer', async () => {
    const links = targetsOf(await textOf('/llms.txt'))
    const paths = links.map((link) => link.slice(ORIGIN.length))
    expect(paths).toEqual(expect.arrayContaining(['/openapi.json', '/docs/errors.md', '/docs/', '/docs/api.md']))
    for (const path of paths) await textOf(path)
  })
})

describe('the pages of documentation', () => {
  test('are Markdown whose links lead on, as far as there is anything', async () => {
    const start = targetsOf(await textOf('/llms.txt')).map((link) => link.slice(ORIGIN.length))
    // A set goes on with what is added to it meanwhile.
    const met = new Set(start)
    for (const path of met) {
      const text = await textOf(path)
      if (!path.endsWith('.md')) continue
      for (const target of targetsOf(text)) {
        if (/^(?:https?:|#|mailto:)/.test(target)) continue
        met.add(new URL(target, `${ORIGIN}${path}`).pathname)
      }
    }
    expect(met.size).toBeGreaterThan(40)
    expect([...met].filter((path) => !/^\/(?:docs\/|openapi\.json$)/.test(path))).toEqual([])
  })
})

describe('below a prefix', () => {
  const below = startWorker({ BASE_PATH: '/tessera' })

  test('everything is there, under that address', async () => {
    expect((await below.call('/tessera/docs')).headers.get('Location')).toBe('/tessera/docs/')
    const page = await textOf('/tessera/docs/', below)
    for (const file of targetsOf(page).filter((target) => target !== 'data:,')) {
      const { pathname } = new URL(file, `${ORIGIN}/tessera/docs/`)
      expect(pathname).toMatch(/^\/tessera\//)
      await textOf(pathname, below)
    }
    const links = targetsOf(await textOf('/tessera/llms.txt', below))
    expect(links.length).toBeGreaterThan(20)
    for (const link of links) await textOf(link.slice(ORIGIN.length), below)
    const { type } = await (await below.call('/tessera/auth/me')).json<{ type: string }>()
    expect(type).toBe(`${ORIGIN}/tessera/docs/errors#not_authenticated`)
    await textOf('/tessera/docs/errors', below)
  })

  test('and nowhere else', async () => {
    for (const path of ['/docs', '/docs/', '/docs/api.md', '/llms.txt', '/docs/errors']) {
      expect((await below.call(path)).status).toBe(404)
    }
  })
})

test('the ring binds the assets that a deployment has', () => {
  expect(env.ASSETS).toBeDefined()
})
