/** The frame of every page of the playground, and the box that its parts stand in. No script, no external resource. */

import type { Child } from 'hono/jsx'

import { STYLE } from './style.ts'

interface FrameProps {
  readonly title: string
  /** Of the page's Content-Security-Policy: the style is the only thing that it lets in. */
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
  /** Beside the title, in quiet. */
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

/** For a list that has nothing in it yet: what would be here, and how it gets here. */
export function Empty({ children }: { readonly children?: Child }) {
  return <p class="body quiet">{children}</p>
}
