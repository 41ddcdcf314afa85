/** What a browser is shown that asked to be sent on and cannot be, or not at once. None of these pages has a script. */

import { html } from 'hono/html'

import { type Html, renderPage } from './layout.ts'

/** Goes on by itself after so many seconds, and by a button where a browser does not do that. */
export function renderWaitPage(
  { seconds, href }: { readonly seconds: number; readonly href: string },
  nonce: string,
): Html {
  return renderPage(
    'One moment',
    html`<p>Your sign-in is being renewed, and you are taken back to where you were.</p>
      ${button(href, 'Go on')}
      <p class="quiet">Press the button if nothing happens.</p>`,
    nonce,
    html`<meta http-equiv="refresh" content="${seconds};url=${href}"/>`,
  )
}

/** The trouble is ours. */
export function renderTroublePage(href: string, nonce: string): Html {
  return renderPage(
    'This did not work just now',
    html`<p>The trouble is on our side, and has nothing to do with your sign-in. Please try again in a moment.</p>
      ${button(href, 'Try again')}`,
    nonce,
  )
}

/** An application sends a browser back at once, again and again: what whoever runs it has to check. */
export function renderLoopPage(
  to: string,
  { own, other }: { readonly own: string; readonly other: string },
  nonce: string,
): Html {
  return renderPage(
    'You are being sent in circles',
    html`<p>You are signed in. But the application to which you return does not see that, and sends you back here. Please try again in a moment; if it goes on like this, tell whoever runs the application.</p>
      ${button(to, 'Try again')}
      <h2>What happened</h2>
      <dl><dt>Signed in at</dt><dd>${own}</dd><dt>Sent back by</dt><dd>${other}</dd></dl>
      <h2>If it is yours, check</h2>
      <ul>
        <li>Does it read the cookie <code>access_token</code>, from the request that it answers?</li>
        <li>Does the cookie reach its host? Without <code>COOKIE_DOMAIN</code> it is sent to ${own} alone, port aside.</li>
        <li>Is it served over https? A <code>Secure</code> cookie is not sent without.</li>
        <li>Is it of the same site as this address? To another site, cookies go only as far as <code>COOKIE_SAMESITE</code> says.</li>
        <li>Does it take the token? Issuer, audience and keys must be those of this deployment, and its clock must be right.</li>
      </ul>`,
    nonce,
  )
}

/** Where people sign in, an application asks whether they are signed in, and sends them back. */
export function renderSignInLoopPage(nonce: string): Html {
  return renderPage(
    'You are being sent in circles',
    html`<p>You are not signed in, and the page where you could sign in sends you back here. Please tell whoever runs the application.</p>
      <h2>If it is yours, check</h2>
      <ul>
        <li>The page at <code>SIGN_IN_URL</code> must be there for people who are not signed in: leave it out of what your application protects.</li>
      </ul>`,
    nonce,
  )
}

function button(href: string, label: string): Html {
  return html`<p><a class="button" href="${href}">${label}</a></p>`
}
