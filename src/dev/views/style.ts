/** The look of the playground. Contrast is at least 4.5:1 in both color schemes (WCAG 2.2, 1.4.3). */

export const STYLE = `
:root{color-scheme:light dark;--text:#1f2328;--quiet:#59636e;--page:#f6f8fa;--card:#fff;--sunk:#f6f8fa;--line:#d1d9e0;--action:#0550ae;--on:#fff;--good:#116329;--good-back:#dafbe1;--warn:#7a4a00;--warn-back:#fff3cd;--bad:#a40e26;--bad-back:#ffebe9;--plain-back:#eaeef2;--mono:ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace}
@media (prefers-color-scheme:dark){:root{--text:#e6edf3;--quiet:#9da7b1;--page:#0d1117;--card:#151b23;--sunk:#0d1117;--line:#30363d;--action:#79c0ff;--on:#0d1117;--good:#7ee2a0;--good-back:#12301e;--warn:#f2cc60;--warn-back:#332708;--bad:#ff9a92;--bad-back:#3c1618;--plain-back:#262c36}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;background:var(--page);color:var(--text);font:.9375rem/1.5 system-ui,sans-serif}
.wrap{max-width:76rem;margin:0 auto;padding:1.25rem 1rem 3rem}
.top{display:flex;flex-wrap:wrap;align-items:baseline;gap:.25rem 1rem;margin:0 0 1rem}
.top p{margin:0;flex:1 1 16rem}
h1{margin:0;font-size:1.25rem;line-height:1.3;letter-spacing:-.01em}
h2{margin:0;font-size:.9375rem;line-height:1.4}
h3{margin:0;font-size:.8125rem;font-weight:600;color:var(--quiet)}
p{margin:0}
a{color:var(--action)}
code,pre,.mono{font-family:var(--mono);font-size:.8125rem}
.quiet{color:var(--quiet)}
.below{margin-top:.5rem}
.small{font-size:.8125rem}
.card{min-width:0;border:1px solid var(--line);border-radius:.625rem;background:var(--card);scroll-margin-top:1rem}
.card>header{display:flex;flex-wrap:wrap;align-items:baseline;justify-content:space-between;gap:.25rem .75rem;padding:.7rem 1rem;border-bottom:1px solid var(--line)}
.body{display:grid;gap:.9rem;padding:.9rem 1rem 1rem;min-width:0}
.body>*{min-width:0}
.last{border-top:1px solid var(--line)}
.grid{display:grid;gap:1rem;margin-top:1rem}
.column{display:grid;gap:1rem;align-content:start;min-width:0}
ul.rows{list-style:none;margin:0;padding:0}
ul.rows>li{display:flex;flex-wrap:wrap;align-items:center;gap:.4rem 1rem;padding:.7rem 1rem}
ul.rows button{min-width:4.5rem}
ul.rows>li+li{border-top:1px solid var(--line)}
.grow{flex:1 1 14rem;min-width:0;overflow-wrap:anywhere}
.title{display:flex;flex-wrap:wrap;align-items:center;gap:.2rem .5rem;font-weight:600;font-size:.875rem}
.badge{display:inline-block;padding:.05rem .5rem;border-radius:1rem;background:var(--plain-back);color:var(--text);font-size:.75rem;font-weight:600;line-height:1.5}
.good{background:var(--good-back);color:var(--good)}
.warn{background:var(--warn-back);color:var(--warn)}
.bad{background:var(--bad-back);color:var(--bad)}
.notice{padding:.6rem .8rem;border-radius:.4rem;font-size:.875rem;overflow-wrap:anywhere}
button,.button{min-height:2.75rem;padding:.35rem .5rem;border:1px solid var(--line);border-radius:.45rem;background:var(--card);color:var(--text);font:inherit;font-weight:600;font-size:.875rem;cursor:pointer}
button:hover:not(:disabled){border-color:var(--quiet)}
button.primary{border-color:var(--action);background:var(--action);color:var(--on)}
button.danger{color:var(--bad)}
button:disabled{color:var(--quiet);background:var(--sunk);cursor:not-allowed}
button[aria-pressed=true]{border-color:var(--action);color:var(--action);box-shadow:inset 0 0 0 1px var(--action)}
:focus-visible{outline:3px solid var(--action);outline-offset:2px}
.buttons{display:grid;grid-template-columns:repeat(2,1fr);gap:.5rem}
.buttons button{width:100%;height:100%}
.world{display:grid;gap:1.1rem}
.world fieldset{display:grid;gap:.5rem;align-content:start;margin:0;padding:0;border:0;min-width:0}
legend{display:contents}
legend>span{font-weight:600}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.2rem 1rem;margin:0;font-size:.875rem}
dt{color:var(--quiet)}
dd{margin:0;min-width:0;overflow-wrap:anywhere}
pre{margin:0;padding:.7rem .8rem;border:1px solid var(--line);border-radius:.4rem;background:var(--sunk);line-height:1.5;white-space:pre-wrap;overflow-wrap:anywhere}
.wire{display:grid;gap:.35rem}
summary{cursor:pointer;color:var(--action);font-size:.875rem;padding:.2rem 0}
details[open]>summary{margin-bottom:.5rem}
label{display:grid;gap:.2rem;font-size:.8125rem;color:var(--quiet)}
input{width:100%;min-height:2.75rem;padding:.35rem .6rem;border:1px solid var(--line);border-radius:.45rem;background:var(--card);color:var(--text);font:inherit;font-size:1rem}
.fields,.pair{display:grid;gap:.6rem}
.events{list-style:none;margin:0;padding:0;font-family:var(--mono);font-size:.8125rem;line-height:1.5;overflow-wrap:anywhere}
.events>li+li{margin-top:.35rem}
.events b{font-weight:600}
iframe{display:block;width:100%;height:50rem;border:0;border-radius:0 0 .6rem .6rem;background:#fff;color-scheme:light}
@media (min-width:48rem){
.wrap{padding:1.75rem 1.5rem 4rem}
button,input{min-height:2.25rem;font-size:.875rem}
button{padding-inline:.85rem}
.buttons{display:flex;flex-wrap:wrap}
.buttons button{width:auto;height:auto}
.world{grid-template-columns:1fr 1fr;gap:2rem}
.fields{grid-template-columns:1fr 1fr auto;align-items:end}
.pair{grid-template-columns:1fr 1fr;align-items:start}
iframe{height:41rem}
}
@media (min-width:64rem){
.grid{grid-template-columns:minmax(0,1.15fr) minmax(0,1fr)}
/* Its top is in view already: a jump to it would hide what stands above. */
#browser{scroll-margin-top:100vh}
}
`
