/** The mailbox of a newcomer: the local mail explorer, read where docs/api.md says that scripts find it. */

import { expect } from 'vitest'

interface Summary {
  readonly messageId: string
  readonly to: readonly string[]
}

export interface ReadMail {
  readonly subject: string
  readonly text: string
  readonly html: string
}

/** The newest mail to an address with this in its subject, as soon as there is one. */
export async function mailTo(origin: string, address: string, subject: string): Promise<ReadMail> {
  const url = `${origin}/cdn-cgi/local/explorer/api/local/email/sending`
  const read = async (): Promise<ReadMail | undefined> => {
    const { result } = (await (await fetch(url)).json()) as { result: Summary[] }
    const mails = await Promise.all(
      result
        .filter(({ to }) => JSON.stringify(to).includes(address))
        .map(async ({ messageId }) => {
          const mail = await fetch(`${url}?email_id=${encodeURIComponent(messageId)}`)
          const { result: content } = (await mail.json()) as { result: ReadMail }
          return content
        }),
    )
    return mails.find((mail) => mail.subject.includes(subject))
  }
  await expect.poll(read, { timeout: 20_000, interval: 200 }).toBeDefined()
  return (await read()) ?? { subject: '', text: '', html: '' }
}

/** The URL in a mail that leads to this path. */
export function linkIn({ text }: ReadMail, path: string): string {
  const url = text.match(/https?:\/\/\S+/g)?.find((one) => new URL(one).pathname === path)
  if (url === undefined) throw new Error(`no ${path} in «${text}»`)
  return url
}
