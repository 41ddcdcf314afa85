/** What `npm run deploy` asks, and how an answer is read. */

import { describe, expect, test, vi } from 'vitest'

import { parseEmail } from '../../../scripts/deploy/first-account.ts'
import { readOptions } from '../../../scripts/deploy/options.ts'
import type { Prompt } from '../../../scripts/deploy/prompt.ts'
import * as questions from '../../../scripts/deploy/questions.ts'
import { parseSender, senderWarning } from '../../../scripts/deploy/sender.ts'
import { ACCOUNT } from '../../support/cloudflare-api.ts'
import { api, cloudflare, lineOf, said, startStandIn, typist } from '../../support/stand-in.ts'

startStandIn()

function askAccount(prompt: Prompt | null, options = {}, settings = {}) {
  return questions.askAccount(prompt, options, settings, cloudflare)
}

describe('a question', () => {
  test('is answered by its flag, by an earlier run, or at the terminal; without any of them the flag is named', async () => {
    expect(await questions.askLocation(null, { location: 'oc' }, 'weur')).toBe('oc')
    expect(await questions.askLocation(null, {}, 'weur')).toBe('weur')
    expect(await questions.askLocation(typist('3'), {}, undefined)).toBe('weur')
    expect(await questions.askLocation(typist('apac'), {}, undefined)).toBe('apac')
    const none =
      'Nobody to ask here: give --location wnam|enam|weur|eeur|apac|oc, where the database shall stand for good.'
    expect(await lineOf(questions.askLocation(null, {}, undefined))).toBe(none)
  })

  test('is asked again until the answer will do; a flag that will not do ends the run', async () => {
    const prompt = typist('', 'mars', '9', '6')
    expect(await questions.askLocation(prompt, {}, undefined)).toBe('oc')
    expect(prompt.asked).toHaveLength(4)
    expect(vi.mocked(console.log).mock.calls.flat()).toContain(
      '  mars is no location: wnam, enam, weur, eeur, apac, oc.',
    )
    expect(await lineOf(questions.askLocation(prompt, { location: 'mars' }, undefined))).toBe(
      'mars is no location: wnam, enam, weur, eeur, apac, oc.',
    )
  })

  test('about the name proposes the one that is known, and lets choose among several', async () => {
    expect(await questions.askName(typist(''), {}, [], 'tessera')).toBe('tessera')
    expect(await questions.askName(null, {}, ['staging'], 'tessera')).toBe('staging')
    expect(await questions.askName(typist('live'), {}, ['staging', 'live'], 'tessera')).toBe('live')
    expect(await lineOf(questions.askName(null, {}, [], 'tessera'))).toBe('Nobody to ask here: give --name NAME.')
    for (const name of ['Tessera', 'a_b', '-a', 'a-', '../x', 'a'.repeat(51)]) {
      expect(await lineOf(questions.askName(null, { name }, [], 'tessera'))).toContain(`${name} is no name of a Worker`)
    }
  })

  test('about the account comes only where there are several, and a deployment stays where it lives', async () => {
    expect(await askAccount(null)).toBe(ACCOUNT)
    api.accounts.push({ id: 'another', name: 'Other' })
    expect(await askAccount(typist('3', '2'))).toBe('another')
    expect(await lineOf(askAccount(null))).toBe('Nobody to ask here: give --account ID, since you have several.')
    expect(await askAccount(null, {}, { account: 'kept' })).toBe('kept')
    expect(await lineOf(askAccount(null, { account: 'other' }, { account: 'kept' }))).toBe(
      'This deployment lives in the account kept, not in other: choose another --name there.',
    )
    api.accounts.splice(0)
    expect(await lineOf(askAccount(null))).toBe('The token may see no account: give --account ID.')
  })

  test('about mails and accounts may be left for later', async () => {
    expect(await questions.askSender(typist(''), {}, {})).toBeNull()
    expect(await questions.askSender(null, {}, { kept: null })).toBeNull()
    expect(await questions.askSender(typist('nonsense', 'Acme <a@example.com>'), {}, {})).toBe('Acme <a@example.com>')
    expect(await lineOf(questions.askSender(null, {}, {}))).toContain('give --mail-from SENDER, or --mail-from later.')
    expect(await questions.askFirstAccount(null, {}, undefined)).toBeNull()
    expect(await questions.askFirstAccount(typist(''), {}, undefined)).toBeNull()
    expect(await questions.askFirstAccount(null, { 'first-account': ' Ada@Example.com' }, null)).toBe('ada@example.com')
  })

  test('about a sender is answered by wrangler.toml as well, and an earlier answer that goes before that is said', async () => {
    const [written, kept, deployed] = ['w@example.com', 'k@example.com', 'd@example.com']
    expect(await questions.askSender(null, {}, { written })).toBe(written)
    expect(await questions.askSender(null, {}, { written, kept: null })).toBe(written)
    expect(await questions.askSender(null, {}, { written, kept: written, deployed })).toBe(written)
    expect(await questions.askSender(null, { 'mail-from': kept }, { written, deployed })).toBe(kept)
    expect(said()).toEqual([])

    expect(await questions.askSender(null, {}, { written, kept, deployed })).toBe(kept)
    expect(await questions.askSender(null, {}, { written, kept: null, deployed })).toBe(deployed)
    const line = (sender: string) =>
      `Mails come from ${sender} as before, not from ${written} as in wrangler.toml: --mail-from changes that.`
    expect(said()).toEqual([line(kept), line(deployed)])

    // A build of what was pushed has no earlier answers, and nobody who gives one.
    expect(await questions.askSender(null, {}, { written, deployed }, true)).toBe(written)
    expect(await questions.askSender(null, {}, { deployed }, true)).toBe(deployed)
    expect(await questions.askSender(null, {}, {}, true)).toBeNull()
    expect(await questions.askSender(null, { 'mail-from': kept }, { written }, true)).toBe(kept)
    expect(said()).toEqual([])
  })

  test('about a password takes what is long enough, to the letter, and typed twice alike, or makes one up', async () => {
    const word = ' twelve chars '
    const prompt = typist('short', word, 'twelve chars', word, '', word, word)
    expect(await questions.askPassword(prompt)).toBe(word)
    const [question, again] = ['Its password (made up and kept in .deploy): ', 'Once more: ']
    expect(prompt.asked).toEqual([question, question, again, question, again, question, again])
    expect(vi.mocked(console.log).mock.calls.flat()).toEqual([
      '  At least 12 characters, please.',
      '  These two differ.',
      '  These two differ.',
    ])
    expect(await questions.askPassword(typist(''))).toBeNull()
    expect(await questions.askPassword(null)).toBeNull()
  })
})

describe('an answer', () => {
  test('an e-mail address is kept as accounts have it, and can be the name of a file', () => {
    expect(parseEmail(' First@Example.COM ')).toBe('first@example.com')
    for (const text of ['first', 'a@b', '../a@example.com', "a'b@example.com", 'a b@example.com']) {
      expect(() => parseEmail(text)).toThrow(`${text} is no e-mail address.`)
    }
  })

  test('a sender is an address, or a name and an address', () => {
    expect(parseSender('Tessera <auth@example.com>')).toBe('Tessera <auth@example.com>')
    expect(parseSender('auth@example.com')).toBe('auth@example.com')
    for (const text of ['Tessera', 'Tessera <auth>', 'a@example.com\nBcc: b@example.com', '<a@example.com>']) {
      expect(() => parseSender(text)).toThrow('is no sender')
    }
  })

  test('flags that do not exist are one line', () => {
    expect(() => readOptions(['--nmae', 'x'])).toThrow("Unknown option '--nmae'. The flags: npm run deploy -- --help")
    expect(() => readOptions(['x'])).toThrow(/^Unexpected argument 'x'.+The flags: npm run deploy -- --help$/)
    expect(readOptions(['--help'])).toBeNull()
    expect(readOptions(['--name', 'x', '--replace-dns'])).toEqual({ name: 'x', 'replace-dns': true })
  })
})

describe('a sender', () => {
  test('is warned about when its domain is not onboarded, or not on the account', async () => {
    expect(await senderWarning(cloudflare, ACCOUNT, 'Tessera <auth@example.com>')).toBeNull()
    expect(await senderWarning(cloudflare, ACCOUNT, 'auth@mail.example.com')).toBe(
      'mail.example.com is not onboarded to Email Service: npx wrangler email sending enable mail.example.com, or set MAIL_TRANSPORT=api. Until then each mail is refused and parked.',
    )
    expect(await senderWarning(cloudflare, ACCOUNT, 'auth@example.org')).toContain(
      'example.org is on no domain of this account',
    )
  })

  test('is not warned about by a token that may not look', async () => {
    api.refuse = () => ({ status: 403, code: 10000, message: 'Authentication error' })
    expect(await senderWarning(cloudflare, ACCOUNT, 'auth@example.com')).toBeNull()
  })
})
