/** What the form of the Deploy to Cloudflare button is made of: bindings, their descriptions, and samples of secrets. */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'

import { describe, expect, test } from 'vitest'

import { ConfigError, parseConfig, unsetSecrets } from '../../../src/config.ts'
import { TEST_BINDINGS } from '../../support/bindings.ts'

const root = join(import.meta.dirname, '../../..')
const read = (file: string) => readFileSync(join(root, file), 'utf8')
const { scripts, cloudflare } = JSON.parse(read('package.json')) as {
  scripts: Readonly<Record<string, string>>
  cloudflare: { bindings: Readonly<Record<string, { description: string }>> }
}
/** Every line that is no comment is asked for as a secret, and its sample is what the form starts with. */
const samples = Object.fromEntries(
  read('.dev.vars.example')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
)
const toml = read('wrangler.toml')

describe('the form of the Deploy button', () => {
  test('describes every secret, variable and resource that it asks for, and no other', () => {
    const vars = /^\[vars\]\n((?:.+\n)*)/m.exec(toml)?.[1]?.match(/^\w+/gm) ?? []
    // Static assets are files of the upload: there is nothing to create or to name.
    const resources = toml.replace(/^\[assets\]\n(?:.+\n)*/m, '')
    const bindings = [
      ...resources.matchAll(/^binding = "(\w+)"/gm),
      ...resources.matchAll(/^\[\[send_email\]\]\nname = "(\w+)"/gm),
    ]

    expect(vars.length).toBeGreaterThan(3)
    expect(bindings).toHaveLength(4)
    expect(new Set(Object.keys(cloudflare.bindings))).toEqual(
      new Set([...Object.keys(samples), ...vars, ...bindings.map(([, name = '']) => name)]),
    )
    for (const { description } of Object.values(cloudflare.bindings)) expect(description).toMatch(/^\S.*\.$|`$/)
  })

  test('starts with samples that no deployment takes', () => {
    expect(Object.keys(samples)).toEqual(['AUTH_SECRET', 'SERVICE_KEY'])
    for (const [key, sample] of Object.entries(samples)) {
      const bindings = { AUTH_SECRET: TEST_BINDINGS.AUTH_SECRET, [key]: sample }

      expect(() => parseConfig(bindings)).toThrow(ConfigError)
      expect(unsetSecrets(bindings)).toContain(key)
    }
  })

  test('proposes the command that migrates as well', () => {
    expect(scripts['deploy']).toContain('scripts/deploy.ts')
    // A build command would be proposed, too, and there is nothing to build.
    expect(scripts).not.toHaveProperty('build')
  })

  test('needs no id in wrangler.toml; the one of a database may stand there, as the form or its owner writes it', () => {
    // A rate limit has an id that we chose, and is nothing to create.
    const ids = [...toml.matchAll(/^(?!namespace_id)\w*_id\b.*$/gm)].map(([line]) => line)
    expect(ids.filter((line) => !/^database_id = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"/.test(line))).toEqual([])
    expect(ids.length).toBeLessThan(2)
  })
})
