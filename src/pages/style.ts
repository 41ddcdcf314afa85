/** The style of every page: readable on a phone, at 320 pixels and with text of twice the size, in light and dark. */

import { DARK_BACKGROUND, lightened } from '../domain/color.ts'

/**
 * The sheet, in the colour of the application. Every text has a contrast of at least 4.5:1 (WCAG 2.2, 1.4.3), and what is pressed is at
 * least 44 pixels high (2.5.5).
 */
export function styleSheet(color: string): string {
  const light = `--text:#1f2328;--quiet:#57606a;--back:#fff;--line:#d0d7de;--field:#6e7781;--soft:#f6f8fa;--action:${color};--danger:#a40e26;--on:#fff`
  const dark = `--text:#e6edf3;--quiet:#9da7b1;--back:${DARK_BACKGROUND};--line:#30363d;--field:#848d97;--soft:#161b22;--action:${lightened(color)};--danger:#ff9492;--on:${DARK_BACKGROUND}`
  return `
:root{color-scheme:light dark;${light}}
@media (prefers-color-scheme:dark){:root{${dark}}}
*{box-sizing:border-box}
body{margin:0;background:var(--back);color:var(--text);font:1.0625rem/1.55 system-ui,sans-serif;overflow-wrap:anywhere}
header,main{max-width:36rem;margin:0 auto;padding:0 1.25rem}
header{padding-top:clamp(1.25rem,4vw,2.5rem);font-weight:600}
header>*{display:inline-flex;align-items:center;gap:.6rem;min-height:2.75rem;color:var(--action);text-decoration:none}
header img{display:block;height:2rem;width:auto;max-width:12rem}
main{padding-top:clamp(1rem,4vw,2rem);padding-bottom:2.5rem}
h1{margin:0 0 1rem;font-size:1.6rem;line-height:1.25;text-wrap:balance}
h2{margin:2rem 0 .5rem;font-size:1.0625rem}
a{color:var(--action)}
table{width:100%;font-size:.9375rem;table-layout:fixed;margin:.5rem 0 1.5rem;border-collapse:collapse;border-block:1px solid var(--line)}
th,td{padding:.35rem .5rem .35rem 0;text-align:left;vertical-align:baseline;overflow-wrap:anywhere}
th{color:var(--quiet);font-weight:400}
th[scope=row]{width:6.4rem}
tr:first-child>*{padding-top:.75rem}
tr:last-child>*{padding-bottom:.75rem}
ul{margin:.5rem 0 1.5rem;padding-left:1.25rem}
li{margin:.5rem 0}
dl{display:grid;grid-template-columns:fit-content(40%) 1fr;gap:.4rem 1.25rem;margin:.5rem 0 1.5rem;padding:.75rem 0;border-block:1px solid var(--line)}
dt{color:var(--quiet);overflow-wrap:anywhere}
dd{margin:0;overflow-wrap:anywhere}
code{padding:.1em .3em;border-radius:.3em;background:color-mix(in srgb,var(--line) 45%,transparent);color:var(--text);font:.9em ui-monospace,monospace;overflow-wrap:anywhere}
form{margin:0}
.field{margin:0 0 1.25rem}
.field label{display:block;margin-bottom:.25rem;font-weight:600}
.field input{width:100%;min-height:3rem;padding:.5rem .75rem;border:1px solid var(--field);border-radius:.5rem;background:var(--back);color:var(--text);font:inherit}
.field input[aria-invalid=true]{border:2px solid var(--danger)}
.hint,.error{margin:.25rem 0 0;font-size:.95rem}
.hint,.quiet{color:var(--quiet)}
.error{color:var(--danger);font-weight:600}
.check{display:flex;gap:.75rem;align-items:baseline;min-height:3rem;margin:.5rem 0 1.5rem;overflow-wrap:anywhere;cursor:pointer}
input[type=checkbox]{flex:none;width:1.25rem;height:1.25rem;margin:0;accent-color:var(--action);transform:translateY(.2rem)}
button,.button{display:block;width:100%;min-height:3rem;padding:.7rem 1.25rem;border:1px solid transparent;border-radius:.5rem;background:var(--action);color:var(--on);font:inherit;font-weight:600;text-align:center;text-decoration:none;cursor:pointer}
button.danger{background:var(--danger)}
button.other,.button.other{border-color:var(--field);background:transparent;color:var(--text);font-weight:400}
button[aria-current]{border:2px solid var(--action);font-weight:600}
button[aria-current]::before{content:"\\2713\\00a0";content:"\\2713\\00a0"/""}
.buttons{display:flex;flex-wrap:wrap;gap:.75rem;margin:1.5rem 0}
.buttons form,.buttons>.button,.buttons>button{flex:1 1 100%}
.notice{margin:0 0 1.5rem;padding:.75rem 1rem;border-left:4px solid var(--action);border-radius:.25rem;background:var(--soft)}
.notice a{color:inherit}
.notice.bad{border-color:var(--danger)}
.notice :first-child{margin-top:0}
.notice :last-child{margin-bottom:0}
.rows{margin:.5rem 0 1.5rem;padding:0;border-top:1px solid var(--line);list-style:none}
.rows>li{display:flex;flex-wrap:wrap;gap:.5rem 1rem;align-items:center;justify-content:space-between;margin:0;padding:.75rem 0;border-bottom:1px solid var(--line)}
.rows>li>div{flex:1 1 14rem;min-width:0;overflow-wrap:anywhere}
.rows p{margin:0}
.links{margin:1rem 0 1.5rem;padding:0;list-style:none}
.links li{margin:0}
.links a{display:inline-flex;align-items:center;min-height:2.75rem}
.tag{margin-left:.25rem;padding:.1rem .5rem;border:1px solid var(--field);border-radius:1rem;font-size:.85rem;font-weight:400}
:focus-visible{outline:3px solid var(--text);outline-offset:3px}
@media (min-width:40rem){button,.button{width:auto;display:inline-block}.buttons form,.buttons>.button,.buttons>button{flex:0 1 auto}}
@media (max-width:30rem){.rows form{width:100%}}
@media (max-width:22rem){dl{grid-template-columns:1fr;gap:0}dd{margin-bottom:.6rem}}
`
}
