/** What whoever deployed a Worker without its secrets, or its address, has to do. It names keys, and never a value. */

import { html } from 'hono/html'

import { type Frame, type Html, renderPage } from './layout.ts'

const PURPOSES: Readonly<Record<string, string>> = {
  AUTH_SECRET: 'What every key derives from. Without it nothing can be signed.',
  SERVICE_KEY: 'What your back ends send as a bearer token to open sessions.',
}

/** Says how to set its address, the last thing that a deployment is told. */
export function renderAddressPage(nonce: string): Html {
  return renderPage(frame(nonce), {
    title: 'This Tessera needs its address',
    content: html`${[
      html`<p>It answers nobody until it knows which address is its own: that of its domain, such as <code>https://auth.example.com</code>, or the one that you have just opened. Tokens name it as their issuer, links in mails lead there, and a request for any other is refused.</p>`,
      html`<h2>In the dashboard</h2>`,
      html`<p>Workers &amp; Pages, this Worker, Settings, Variables and Secrets: add the variable <code>PUBLIC_URL</code>, and deploy.</p>`,
      html`<h2>In wrangler.toml</h2>`,
      html`<p>Below <code>[vars]</code>, <code>PUBLIC_URL = "https://auth.example.com"</code>; then <code>npm run deploy</code>.</p>`,
    ]}`,
  })
}

/** Says which secrets to set, by name, and where: in the dashboard, from a terminal, on this machine. */
export function renderSetupPage(unset: readonly string[], nonce: string): Html {
  const keys = unset.map((key) => html`<dt><code>${key}</code></dt><dd>${PURPOSES[key]}</dd>`)
  return renderPage(frame(nonce), {
    title: 'This Tessera needs its secrets',
    content: html`${[
      html`<p>It answers nobody until they are set.</p>`,
      html`<dl>${keys}</dl>`,
      html`<p>Each is a text of its own, of 32 random bytes: <code>openssl rand -base64 32</code>. Keep them in your password manager; nobody can read them again.</p>`,
      html`<h2>In the dashboard</h2>`,
      html`<p>Workers &amp; Pages, this Worker, Settings, Variables and Secrets: add each as a <em>Secret</em>, and deploy. Set the variable <code>PUBLIC_URL</code> to your domain there, too.</p>`,
      html`<h2>From a terminal</h2>`,
      html`<p>In your copy of the repository, <code>npm run deploy</code> makes and uploads what is missing.</p>`,
      html`<h2>On your own machine</h2>`,
      html`<p><code>npm start</code> writes secrets into <code>.dev.vars</code>.</p>`,
      html`<p class="quiet">Afterwards <code>/healthz</code> says what works, and <code>npm run doctor -- --remote</code> what to do about the rest.</p>`,
    ]}`,
  })
}

/** Whoever deploys reads English, and a deployment that cannot start has no name of its own. */
function frame(nonce: string): Frame {
  const brand = { name: 'Tessera', url: undefined, logoUrl: undefined, color: '#0550ae' }
  return { language: 'en', brand, nonce }
}
