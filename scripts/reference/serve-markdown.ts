/** Markdown of the repository as it is served below /docs: the same text, with links that lead to what is served there. */

import { dirname, join, normalize, relative } from 'node:path/posix'

/** Where files that are not in docs/ stand, below /docs. */
const SOURCE = 'source'

/** Files beside docs/ that pages may link to. wrangler.toml is none: in a copy it has what is its operator's alone. */
const SERVED =
  /^(?:(?:CHANGELOG|CONTRIBUTING|README|SECURITY)\.md|LICENSE|(?:bench|examples|scripts|src|test)(?:\/\w[\w.-]*)+\.\w+)$/

/** Where a file of the repository stands below /docs; `null` where it is not served. */
export function servedName(path: string, pages: readonly string[]): string | null {
  const page = path.startsWith('docs/') ? path.slice('docs/'.length) : null
  if (page !== null) return pages.includes(page) || page.startsWith('pictures/') ? page : null
  return SERVED.test(path) ? `${SOURCE}/${path}` : null
}

/** A page as it is served, and the files of the repository that it links to, itself left out. */
export interface ServedMarkdown {
  readonly text: string
  readonly linked: readonly string[]
}

/** The Markdown of `path`, with each link into the repository led to where its file is served; where that is nowhere, its words stay. */
export function serveMarkdown(path: string, markdown: string, pages: readonly string[]): ServedMarkdown {
  const linked = new Set<string>()
  const own = servedName(path, pages) ?? path
  const lead = (target: string): string | null => {
    if (/^(?:[a-z]+:|#|\/)/i.test(target)) return target
    const [file = '', ...anchor] = target.split('#')
    const found = normalize(join(dirname(path), file))
    const served = servedName(found, pages)
    if (served === null) return null
    linked.add(found)
    return [relative(dirname(own), served), ...anchor].join('#')
  }
  const text = outsideOfCode(markdown, (part) =>
    part
      .replace(
        /(!?)\[((?:[^[\]]|\[[^\]]*\](?:\([^)]*\))?)*)\]\(([^)\s]+)\)/g,
        (_whole, mark: string, words: string, to: string) => {
          const target = lead(to)
          return target === null ? words : `${mark}[${words}](${target})`
        },
      )
      .replace(/\b(src|href)="([^"]+)"/g, (_whole, name: string, to: string) => `${name}="${lead(to) ?? ''}"`),
  )
  return { text, linked: [...linked] }
}

/** Changes what of Markdown is no fenced code. */
function outsideOfCode(markdown: string, change: (part: string) => string): string {
  return markdown
    .split(/^(```[\s\S]*?^```$)/m)
    .map((part, i) => (i % 2 === 0 ? change(part) : part))
    .join('')
}
