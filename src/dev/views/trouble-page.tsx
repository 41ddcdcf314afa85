/** The page of an error: its reason, and a link back to the playground. */

import { Frame } from './frame.tsx'

export function TroublePage({ nonce, reason }: { readonly nonce: string | undefined; readonly reason: string }) {
  return (
    <Frame title="Tessera cannot do this" nonce={nonce}>
      <h1>Tessera cannot do this</h1>
      <p class="notice bad">{reason}</p>
      <p>
        <a href="/dev">Playground</a>
      </p>
    </Frame>
  )
}
