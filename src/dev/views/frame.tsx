/** The frame of every page of the playground, and the box that its parts stand in. No script, no external resource. */

import type { Child } from 'hono/jsx'

import { STYLE } from './style.ts'

interface FrameProps {
  readonly title: string
  /** The nonce of the page's Content-Security-Policy, which allows this style and nothing else. */
  readonly nonce: string | undefined
  readonly children?: Child
}

export function Frame({ title, nonce, children }: FrameProps) {
  return (
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="robots" content="noindex" />
        <title>{title}</title>
        <style nonce={nonce} dangerouslySetInnerHTML={{ __html: STYLE }} />
      </head>
      <body>
        <main class="wrap">{children}</main>
      </body>
    </html>
  )
}

interface CardProps {
  readonly id: string
  readonly title: string
  /** A note beside the title. */
  readonly note?: Child
  readonly children?: Child
}

export function Card({ id, title, note, children }: CardProps) {
  return (
    <section class="card" id={id} aria-labelledby={`${id}-title`}>
      <header>
        <h2 id={`${id}-title`}>{title}</h2>
        {note && <span class="quiet small">{note}</span>}
      </header>
      {children}
    </section>
  )
}

/** The text of an empty list: what it would hold, and how that gets there. */
export function Empty({ children }: { readonly children?: Child }) {
  return <p class="body quiet">{children}</p>
}
