/** The frame of every page: readable on a phone, by keyboard and by screen reader; no script, no external resource. */

import { html, raw } from 'hono/html'

/** Checked for contrast of at least 4.5:1 in both color schemes (WCAG 2.2, 1.4.3). */
const STYLE = `
:root{color-scheme:light dark;--text:#1f2328;--quiet:#57606a;--back:#fff;--line:#d0d7de;--action:#0550ae;--danger:#a40e26;--on:#fff}
@media (prefers-color-scheme:dark){:root{--text:#e6edf3;--quiet:#9da7b1;--back:#0d1117;--line:#30363d;--action:#79c0ff;--danger:#ff9492;--on:#0d1117}}
*{box-sizing:border-box}
body{margin:0;background:var(--back);color:var(--text);font:1.0625rem/1.55 system-ui,sans-serif}
main{max-width:36rem;margin:0 auto;padding:clamp(1.5rem,6vw,4rem) 1.25rem}
h1{margin:0 0 1rem;font-size:1.6rem;line-height:1.25;text-wrap:balance}
h2{margin:2rem 0 0;font-size:1rem}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.4rem 1.25rem;margin:.5rem 0 1.5rem;padding:1rem 0;border-block:1px solid var(--line)}
ul{margin:.5rem 0 1.5rem;padding-left:1.25rem}
li{margin:.5rem 0}
dt{color:var(--quiet)}
dd{margin:0;overflow-wrap:anywhere}
code{padding:.1em .3em;border-radius:.3em;background:color-mix(in srgb,var(--line) 45%,transparent);font:.9em ui-monospace,monospace;white-space:nowrap}
label{display:flex;gap:.75rem;align-items:baseline;min-height:3rem;margin:.5rem 0 1.5rem;overflow-wrap:anywhere;cursor:pointer}
input[type=checkbox]{flex:none;width:1.25rem;height:1.25rem;margin:0;accent-color:var(--action);transform:translateY(.2rem)}
input:focus-visible{outline:3px solid var(--text);outline-offset:3px}
button,.button{width:100%;min-height:3rem;padding:.75rem 1.25rem;border:0;border-radius:.5rem;background:var(--action);color:var(--on);font:inherit;font-weight:600;cursor:pointer}
button.danger{background:var(--danger)}
.button{display:block;text-align:center;text-decoration:none}
button:focus-visible,.button:focus-visible{outline:3px solid var(--text);outline-offset:3px}
.quiet{color:var(--quiet);font-size:.95rem}
@media (min-width:40rem){button,.button{width:auto}.button{display:inline-block}}
@media (max-width:22rem){dl{grid-template-columns:1fr;gap:0}dd{margin-bottom:.6rem}}
`

/** A piece of a page: text in which every value was escaped. */
export type Html = ReturnType<typeof html>

/** A page whole. `nonce` is the one of its Content-Security-Policy: the style is the only thing that it lets in. `meta` joins its head. */
export function renderPage(title: string, content: Html, nonce: string, meta: Html | '' = ''): Html {
  const head = [
    html`<meta charset="utf-8"/>`,
    html`<meta name="viewport" content="width=device-width, initial-scale=1"/>`,
    html`<meta name="robots" content="noindex"/>`,
    meta,
    html`<title>${title}</title>`,
    html`<style nonce="${nonce}">${raw(STYLE)}</style>`,
  ]
  const main = html`<main><h1>${title}</h1>${content}</main>`
  return html`<!doctype html><html lang="en"><head>${head}</head><body>${main}</body></html>`
}
