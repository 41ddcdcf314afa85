/**
 * Carries a plan out. Each step looks at what is there and adds what is missing, so the next run finishes what this one
 * could not. The schema goes before the code that needs it, and the secrets go with the first code.
 */

import { join } from 'node:path'

import { missingMigrations } from '../migrations.ts'
import { checkConfiguration, configure } from './configuration.ts'
import { createFirstAccount } from './first-account.ts'
import { keepFile } from './kept-file.ts'
import type { Plan } from './plan.ts'
import { appliedMigrations, createDatabase, ensureQueue } from './resources.ts'
import { fingerprint, findSecrets, secretsFile } from './secrets.ts'
import { folderOf, keepSettings, type Settings } from './settings.ts'
import { step, wrangle } from './steps.ts'

/** Brings everything up that the plan names. Throws `DeployProblem`. */
export async function bringUp(plan: Plan): Promise<void> {
  const { name, account, cloudflare, environment, resources } = plan
  let settings = plan.settings
  const keep = (news: Settings) => keepSettings(name, (settings = { ...settings, ...news }))

  const deployed = plan.worker?.secrets ?? []
  const { secrets, uploads } = await step('Secrets', async () => findSecrets(name, deployed, settings, process.env))
  if (plan.address !== null) checkConfiguration(plan.template, plan, plan.worker, secrets)
  const { id: databaseId } = await step('Database', async () => {
    if (plan.databaseId !== null) return { id: plan.databaseId, said: resources.database }
    const id = await createDatabase(cloudflare, account, resources.database, plan.location)
    return { id, said: `${resources.database}, created${plan.location === undefined ? '' : ` in ${plan.location}`}` }
  })
  await step('Queues', async () => {
    const names = [resources.queue, resources.deadLetters]
    let created = false
    for (const queue of names) created = (await ensureQueue(cloudflare, account, queue, name)) || created
    // Events are there to be consumed by others.
    if (resources.events !== null) {
      created = (await ensureQueue(cloudflare, account, resources.events, null)) || created
      names.push(resources.events)
    }
    return { said: `${new Intl.ListFormat('en-GB').format(names)}${created ? ', created' : ''}` }
  })

  const config = join(folderOf(name), 'wrangler.json')
  const { address, basePath, mailFrom } = plan
  keepFile(config, configure(plan.template, { name, account, resources, databaseId, address, basePath, mailFrom }))
  await step('Schema', async () => {
    // The migrations are compared here, since wrangler takes seconds to find that none is missing.
    const missing = missingMigrations((await appliedMigrations(cloudflare, account, databaseId)) ?? [])
    if (missing.length === 0) return { said: 'up to date' }
    await wrangle(['d1', 'migrations', 'apply', 'DB', '--remote', '--config', config], environment)
    return { said: `${missing.length} ${missing.length === 1 ? 'migration' : 'migrations'} applied` }
  })
  await step('Worker', async () => {
    const withSecrets = uploads ? ['--secrets-file', secretsFile(name)] : []
    await wrangle(['deploy', '--config', config, ...withSecrets], environment)
    if (secrets !== null && uploads) keep({ uploadedSecrets: fingerprint(secrets) })
    return { said: uploads ? 'deployed with its secrets' : 'deployed' }
  })

  const email = plan.firstAccount
  if (email === null) return
  await step('Account', async () => {
    const who = { email, group: plan.firstGroup }
    const outcome = await createFirstAccount(cloudflare, { account, databaseId, name }, who, plan.password)
    keep({ firstAccount: null })
    return { said: outcome === 'created' ? `${email}, created` : `${email} exists, and stays as it is` }
  })
}
