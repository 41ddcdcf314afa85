/** The device of a user agent, in our words alone. */

import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { readDevice } from '../../../src/domain/mails/device.ts'
import { en } from '../../../src/words/en.ts'
import { ru } from '../../../src/words/ru.ts'

function describeDevice(userAgent: string | null): string | null {
  const device = readDevice(userAgent)
  return device === null ? null : en.device(device)
}

const FIREFOX = 'Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:145.0) Gecko/20100101 Firefox/145.0'

describe('a device', () => {
  const safari = 'AppleWebKit/605.1.15 (KHTML, like Gecko)'
  const chrome = 'AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0'

  test.each([
    [FIREFOX, 'Firefox on Windows'],
    ['Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0', 'Firefox on Linux'],
    ['Mozilla/5.0 (Android 15; Mobile; rv:145.0) Gecko/145.0 Firefox/145.0', 'Firefox on Android'],
    [
      `Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) ${safari} FxiOS/145.0 Mobile Safari/605.1.15`,
      'Firefox on iPhone',
    ],
    [`Mozilla/5.0 (Windows NT 10.0; Win64; x64) ${chrome} Safari/537.36`, 'Chrome on Windows'],
    [`Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) ${chrome} Safari/537.36`, 'Chrome on macOS'],
    [`Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) ${chrome} Safari/537.36`, 'Chrome on ChromeOS'],
    [`Mozilla/5.0 (Linux; Android 10; K) ${chrome} Mobile Safari/537.36`, 'Chrome on Android'],
    [
      `Mozilla/5.0 (iPad; CPU OS 18_6 like Mac OS X) ${safari} CriOS/142.0 Mobile/15E148 Safari/604.1`,
      'Chrome on iPad',
    ],
    [`Mozilla/5.0 (Windows NT 10.0; Win64; x64) ${chrome} Safari/537.36 Edg/142.0`, 'Edge on Windows'],
    [`Mozilla/5.0 (Linux; Android 10; K) ${chrome} Mobile Safari/537.36 EdgA/142.0`, 'Edge on Android'],
    [
      `Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) ${safari} Version/18.0 EdgiOS/142.0 Safari/604.1`,
      'Edge on iPhone',
    ],
    [`Mozilla/5.0 (Windows NT 10.0; Win64; x64) ${chrome} Safari/537.36 OPR/125.0`, 'Opera on Windows'],
    [
      `Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 SamsungBrowser/29.0 Chrome/136.0 Safari/537.36`,
      'Samsung Internet on Android',
    ],
    [`Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) ${safari} Version/18.6 Safari/605.1.15`, 'Safari on macOS'],
    [
      `Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) ${safari} Version/18.6 Mobile/15E148 Safari/604.1`,
      'Safari on iPhone',
    ],
    ['curl/8.9.1', 'curl'],
    ['Mozilla/5.0 (Haiku) Gecko/20100101 Firefox/145.0', 'Firefox'],
    ['Wget/1.24.5', 'Wget'],
    ['okhttp/4.12.0', 'Android app'],
    ['Example/7 CFNetwork/1568.100.1 Darwin/24.0.0', 'Apple app'],
    ['Dart/3.5 (dart:io)', 'Flutter app'],
    ['python-requests/2.32.3', 'Python'],
    ['Go-http-client/2.0', 'Go'],
    ['axios/1.7.9', 'axios'],
    ['PostmanRuntime/7.43.0', 'Postman'],
    // Of whatever is not known, nothing: its sender wrote it.
    ['MyApp/1.0 (Android 15)', null],
    ['Your-account-is-locked', null],
    ['Call-0900-555-0100/1.0', null],
    ['not curl/8', null],
    ['call 555 0100', null],
    ['https://evil.example/', null],
    ['evil.example/1', null],
    ['<b>/1', null],
    ['x'.repeat(31), null],
    ['', null],
    [null, null],
  ])('of %j is %j', (userAgent, device) => {
    expect(describeDevice(userAgent)).toBe(device)
  })
})

test.each([
  [FIREFOX, 'Firefox на Windows'],
  ['okhttp/4.12.0', 'приложение Android'],
  ['curl/8.9.1', 'curl'],
])('of %j in Russian is %j', (userAgent, words) => {
  const device = readDevice(userAgent)
  expect(device && ru.device(device)).toBe(words)
})

test('of a device, nothing is shown but words that stand in a list', () => {
  const words =
    /^(?:(?:Edge|Opera|Samsung Internet|Firefox|Chrome|Safari|curl|Wget|Android app|Apple app|Flutter app|Python|Go|axios|Postman)(?: on (?:iPhone|iPad|Android|Windows|macOS|ChromeOS|Linux))?)?$/
  const known = ['Firefox/1', 'Chrome/', 'Version/1 Safari/', 'Windows', 'Mac OS X', 'Android', 'curl/', 'CFNetwork/']
  // fast-check's own `binary` takes a second to find out which characters there are.
  const unit = fc.oneof(fc.nat({ max: 0xd7ff }), fc.integer({ min: 0xe000, max: 0x10ffff }))
  const text = fc.array(unit).map((codes) => String.fromCodePoint(...codes))
  const part = fc.oneof(fc.constantFrom(...known), text)
  fc.assert(
    fc.property(fc.array(part, { maxLength: 6 }), (parts) => {
      expect(describeDevice(parts.join(' ')) ?? '').toMatch(words)
    }),
  )
})
