/** Whose deployment it is, as people see it: what may be set, in which colours it can be read, and who mails are from. */

import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { parseConfig } from '../../src/config.ts'
import { contrast, DARK_BACKGROUND, lightened } from '../../src/domain/color.ts'
import { nameSender } from '../../src/mail/sender.ts'
import { TEST_BINDINGS } from '../support/bindings.ts'

const { AUTH_SECRET } = TEST_BINDINGS

function refusal(bindings: object): string | null {
  try {
    parseConfig({ AUTH_SECRET, ...bindings })
    return null
  } catch (error) {
    return error instanceof Error ? error.message : null
  }
}

describe('the settings', () => {
  test.each([
    ['APP_NAME', ' Acme & Söhne ', 'Acme & Söhne'],
    ['APP_NAME', 'x'.repeat(60), 'x'.repeat(60)],
    ['APP_NAME', 'Пример', 'Пример'],
    ['APP_URL', 'https://app.example.com/inbox', 'https://app.example.com/inbox'],
    ['APP_URL', 'http://localhost:3000', 'http://localhost:3000'],
    ['APP_LOGO_URL', 'https://cdn.example.com/logo.png', 'https://cdn.example.com/logo.png'],
    ['APP_COLOR', '#0550AE', '#0550AE'],
    ['APP_COLOR', '#767676', '#767676'],
  ] as const)('%s takes %j', (key, text, value) => {
    expect(parseConfig({ AUTH_SECRET, [key]: text })[key]).toBe(value)
  })

  test.each([
    ['APP_NAME', 'x'.repeat(61), 'must have at most 60 characters'],
    ['APP_NAME', 'a\r\nBcc: b@example.com', 'must be one line, without control characters'],
    ['APP_NAME', 'a\u202eb', 'must be one line, without control characters'],
    ['APP_URL', 'app.example.com', 'must be an https URL'],
    ['APP_URL', 'http://app.example.com', 'must be an https URL'],
    ['APP_URL', 'https://user:pw@app.example.com', 'must be an https URL'],
    ['APP_URL', 'javascript:alert(1)', 'must be an https URL'],
    ['APP_LOGO_URL', 'http://localhost/logo.png', 'must be an https URL'],
    ['APP_LOGO_URL', 'data:image/png;base64,AAAA', 'must be an https URL'],
    ['APP_COLOR', 'blue', 'must be a colour such as #0550ae'],
    ['APP_COLOR', '#05a', 'must be a colour such as #0550ae'],
    ['APP_COLOR', '#777777', 'must be darker: white text on it needs a contrast of 4.5:1 (WCAG 2.2, 1.4.3)'],
    ['APP_COLOR', '#ffcc00', 'must be darker: white text on it needs a contrast of 4.5:1 (WCAG 2.2, 1.4.3)'],
  ])('%s refuses %j', (key, text, reason) => {
    expect(refusal({ [key]: text })).toBe(`Configuration: ${key} ${reason}`)
  })
})

describe('contrast', () => {
  test.each([
    ['#000000', '#ffffff', 21],
    ['#123456', '#123456', 1],
    ['#777777', '#ffffff', 4.48],
    ['#767676', '#ffffff', 4.54],
    ['#ff0000', '#ffffff', 4],
  ])('of %s and %s is that of WCAG', (one, other, expected) => {
    expect(contrast(one, other)).toBeCloseTo(expected, 2)
    expect(contrast(other, one)).toBe(contrast(one, other))
  })

  test('is enough in the dark scheme for every colour that may be set', () => {
    const channel = fc.integer({ min: 0, max: 255 })
    const color = fc
      .tuple(channel, channel, channel)
      .map((channels) => `#${channels.map((one) => one.toString(16).padStart(2, '0')).join('')}`)
      .filter((text) => refusal({ APP_COLOR: text }) === null)
    fc.assert(
      fc.property(color, (text) => {
        expect(contrast(text, '#ffffff')).toBeGreaterThanOrEqual(4.5)
        expect(lightened(text)).toMatch(/^#[\da-f]{6}$/)
        expect(contrast(lightened(text), DARK_BACKGROUND)).toBeGreaterThanOrEqual(4.5)
      }),
      { numRuns: 500 },
    )
  })

  test.each([
    ['#0550ae', '#477ec4'],
    ['#8250df', '#9063e3'],
    ['#000000', '#7c7c7c'],
  ])('is had with as little white as will do: %s becomes %s', (color, lighter) => {
    expect(lightened(color)).toBe(lighter)
  })
})

describe('the sender of mails', () => {
  test.each([
    ['auth@example.com', 'Acme', 'Acme <auth@example.com>'],
    [' auth@example.com ', 'Acme Söhne & Co', 'Acme Söhne & Co <auth@example.com>'],
    ['auth@example.com', 'Acme, Inc.', '"Acme, Inc." <auth@example.com>'],
    ['auth@example.com', 'A "B" <c@d.example>\\', '"A \\"B\\" <c@d.example>\\\\" <auth@example.com>'],
    ['Login <auth@example.com>', 'Acme', 'Login <auth@example.com>'],
    ['<auth@example.com>', 'Acme', '<auth@example.com>'],
  ])('%j with the name %j is %j', (from, name, sender) => {
    expect(nameSender(from, name)).toBe(sender)
  })
})
