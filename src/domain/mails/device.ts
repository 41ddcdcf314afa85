/**
 * A user agent in words that its owner recognizes. A user agent is written by whoever sends the request, so only the words of these
 * tables are shown: a mail must not carry a name, an address or a sentence of a stranger.
 */

/** What a user agent says of itself. The words of each language join it. */
export interface Device {
  readonly name: string
  /** It is an app, made for or with what the name says, and no browser or tool of that name. */
  readonly isApp: boolean
  readonly system: string | null
}

/** The first match counts, since most browsers also name those that they descend from. */
const PROGRAMS: readonly (readonly [pattern: RegExp, name: string, kind?: 'app'])[] = [
  [/\bEdgA?(?:iOS)?\//, 'Edge'],
  [/\bOPR\//, 'Opera'],
  [/\bSamsungBrowser\//, 'Samsung Internet'],
  [/\b(?:Firefox|FxiOS)\//, 'Firefox'],
  [/\b(?:Chrome|CriOS)\//, 'Chrome'],
  [/\bVersion\/[\d.]+.*\bSafari\//, 'Safari'],
  [/^curl\//, 'curl'],
  [/^Wget\//, 'Wget'],
  [/^okhttp\//, 'Android', 'app'],
  [/\bCFNetwork\//, 'Apple', 'app'],
  [/^Dart\//, 'Flutter', 'app'],
  [/^python-requests\//, 'Python'],
  [/^Go-http-client\//, 'Go'],
  [/^axios\//, 'axios'],
  [/^PostmanRuntime\//, 'Postman'],
]

const SYSTEMS: readonly (readonly [pattern: RegExp, name: string])[] = [
  [/\biPhone\b/, 'iPhone'],
  [/\biPad\b/, 'iPad'],
  [/\bAndroid\b/, 'Android'],
  [/\bWindows\b/, 'Windows'],
  [/\bMac OS X\b/, 'macOS'],
  [/\bCrOS\b/, 'ChromeOS'],
  [/\bLinux\b/, 'Linux'],
]

/** The device of a user agent, or `null` for what is not known. */
export function readDevice(userAgent: string | null): Device | null {
  if (userAgent === null) return null
  const [, name, kind] = PROGRAMS.find(([pattern]) => pattern.test(userAgent)) ?? []
  if (name === undefined) return null
  const [, system = null] = SYSTEMS.find(([pattern]) => pattern.test(userAgent)) ?? []
  return { name, isApp: kind === 'app', system }
}
