/** Mails of the local Tessera, read where docs/api.md says that scripts find them. */

import { expect } from 'vitest'

/** A mail as the explorer lists it. */
interface Summary {
  readonly messageId: string
  readonly to: readonly string[]
  readonly subject: string
}

const read = new Set<string>()

/** The text of the one mail to an address, with this in its subject, that was not read before, as soon as it is there. */
export async function nextMailTo(origin: string, address: string, subject: string): Promise<string> {
  const url = `${origin}/cdn-cgi/local/explorer/api/local/email/sending`
  const unread = async () => {
    const { result } = (await (await fetch(url)).json()) as { result: Summary[] }
    return result
      .filter((mail) => mail.to.includes(address) && mail.subject.includes(subject))
      .map(({ messageId }) => messageId)
      .filter((id) => !read.has(id))
  }
  await expect.poll(unread, { timeout: 20_000, interval: 200 }).toHaveLength(1)
  const [id = ''] = await unread()
  read.add(id)
  const { result } = (await (await fetch(`${url}?email_id=${encodeURIComponent(id)}`)).json()) as {
    result: { text: string }
  }
  return result.text
}

/** The URL in a mail that leads to this path. */
export function linkIn(text: string, path: string): string {
  const url = text.match(/https?:\/\/\S+/g)?.find((one) => new URL(one).pathname === path)
  if (url === undefined) throw new Error(`no ${path} in «${text}»`)
  return url
}
