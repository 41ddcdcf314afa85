/** The Chromium of this machine, for pictures and for the browser's tests. It goes nowhere by itself. */

import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { type Browser, type BrowserContext, chromium } from 'playwright-core'

const FLAGS = [
  '--headless=new',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--no-first-run',
]

/** Starts it. `CHROMIUM` says where it is, if not where Debian puts it. */
export function startChromium(): Promise<Browser> {
  return chromium.launch({ executablePath: executablePath(), args: FLAGS })
}

/**
 * Starts it with Device Bound Session Credentials, the keys of which are in software here. They are for hosts alone whose certificate is
 * taken for good: one with this key, the SHA-256 of its SPKI in base64.
 */
export function startBindingChromium(spki: string): Promise<Browser> {
  const features = 'DeviceBoundSessions,EnableBoundSessionCredentialsSoftwareKeysForManualTesting'
  return chromium.launch({
    executablePath: executablePath(),
    args: [...FLAGS, `--enable-features=${features}`, `--ignore-certificate-errors-spki-list=${spki}`],
  })
}

interface Profile {
  /** Where it is kept; an empty folder. */
  readonly folder: string
  /** Whether pages of another site may have cookies: builds of Chromium differ in what they do by default. */
  readonly hasThirdPartyCookies: boolean
  /** The URL of the proxy through which everything goes. */
  readonly proxy: string
}

/** Starts it for one person, who chose their settings. Certificates are not checked. */
export function startChromiumProfile({ folder, hasThirdPartyCookies, proxy }: Profile): Promise<BrowserContext> {
  const cookies = {
    cookie_controls_mode: hasThirdPartyCookies ? 0 : 1,
    block_third_party_cookies: !hasThirdPartyCookies,
  }
  mkdirSync(join(folder, 'Default'), { recursive: true })
  writeFileSync(join(folder, 'Default/Preferences'), JSON.stringify({ profile: cookies }))
  return chromium.launchPersistentContext(folder, {
    executablePath: executablePath(),
    args: FLAGS,
    proxy: { server: proxy },
    ignoreHTTPSErrors: true,
  })
}

function executablePath(): string {
  return process.env['CHROMIUM'] || '/usr/bin/chromium'
}
