/** The pages of documentation that a deployment serves, and the list of them for language models. */

interface Section {
  readonly title: string
  /** By name below docs/, in the order in which they are listed; each with what it is for. */
  readonly pages: Readonly<Record<string, string>>
}

/** Every page, since a page that is not listed is not served: docs/ of a copy may have some that are for nobody else. */
export const SECTIONS: readonly Section[] = [
  {
    title: 'Use it',
    pages: {
      'api.md': 'how to call it, every route, how another service verifies an access token, every error',
      'integrate.md':
        'from a service in Hono, Express, Next.js, SvelteKit, Fastify, Python, Go or a page to working code',
      'package.md': 'the client, the verifier and the adapters of the npm package',
      'testing.md': 'a real Tessera for the tests of an application: users, sessions, mails, time, a thief',
      'service-binding.md': 'other Workers of the account, which call it without HTTP and verify tokens by themselves',
      'topologies.md':
        'what to set for browsers, back ends, server rendering, phones and services, with a program for each',
      'accounts.md': 'signing up, passwords, recovery, changes, the pages for people, limits',
      'sessions.md': 'a session from sign-in to purge: rotation, reuse, places, what ends it, who is told',
      'device-binding.md': 'sessions bound to a key: DBSC in browsers, DPoP elsewhere',
      'events.md': 'other systems follow accounts and sessions through a queue',
    },
  },
  {
    title: 'Run it',
    pages: {
      'deploy.md': 'into a Cloudflare account, the first time and every time',
      'configuration.md': 'every setting, the choices behind them, rotation of the secret',
      'administration.md': 'what operators do by HTTP: accounts, sessions, mails, import, the ledger',
      'users.md': 'the same from a terminal',
      'operations.md': 'what to do when somebody asks, what to look at, what to be woken for',
      'log.md': 'every line of the log and every cause of a refusal',
      'import.md': 'bring accounts along from another system',
      'password-hashes.md': 'which hashes of other systems are taken, and how they are replaced',
      'storage.md': 'every table and every column',
      'performance.md': 'what each operation costs, and what one database carries',
    },
  },
  {
    title: 'Judge and change it',
    pages: {
      'security.md': 'threats, what stops them, and the test that proves it; ASVS, RFC 8725, RFC 9700',
      'architecture.md': 'the tree, the life of a request, ten words',
      'decisions.md': 'why things are as they are',
    },
  },
]

/** The names of all pages. */
export const PAGES: readonly string[] = SECTIONS.flatMap(({ pages }) => Object.keys(pages))

/** What stands under both addresses of its own, beside the pages. */
const API = `## API

- [OpenAPI 3.1](openapi.json): every route a program calls, with its exact errors
- [Errors](docs/errors.md): each code, what happened, what to do
- [Interactive reference](docs/): for people, with a browser
`

/** `/llms.txt`, in the form of llmstxt.org. Its links are paths, which the Worker completes by its own address; `titleOf` is the heading of a page. */
export function listForModels(titleOf: (page: string) => string): string {
  const sections = SECTIONS.map(({ title, pages }) => {
    const lines = Object.entries(pages).map(([page, purpose]) => `- [${titleOf(page)}](docs/${page}): ${purpose}`)
    return `## ${title}\n\n${lines.join('\n')}\n`
  })
  const summary =
    '> An authentication token service at the edge: it signs pairs of JWTs, rotates them atomically, refuses a pair that was stolen, and mails its owner.'
  const advice = `Two transports, never mixed: cookies for browsers, JSON for everything else. 401 means that a credential is dead; trouble on the side of the service is 429 or 503, with \`Retry-After\`. Every error is a problem (RFC 9457) with a stable \`code\`.`
  return ['# Tessera\n', `${summary}\n`, `${advice}\n`, API, ...sections].join('\n')
}
