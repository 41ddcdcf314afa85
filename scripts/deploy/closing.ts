/** The end of a deploy: waits until the Worker answers, and prints a line to paste. */

import { existsSync } from 'node:fs'

import { accountFile, type KeptAccount } from './first-account.ts'
import { readKept } from './kept-file.ts'
import { signIn, waitForAnswer } from './origin.ts'
import type { Plan } from './plan.ts'
import { DeployProblem } from './problem.ts'
import { secretsFile } from './secrets.ts'
import { senderWarning } from './sender.ts'
import { shown, step } from './steps.ts'

/** A new domain mostly has its record and its certificate by then. */
const PATIENCE_SECONDS = { new: 300, known: 30 }

/** Waits for the first answer, tries a password, and prints what is left to do. Throws `DeployProblem` for a Worker that is not well. */
export async function close(plan: Plan): Promise<void> {
  const { address, basePath, name } = plan
  if (address === null) return
  const url = `https://${address.host}${basePath}`
  const { unwell } = await step('Address', async () => {
    if (address.isNew) process.stdout.write('new, so it may take some minutes … ')
    const found = await waitForAnswer(url, address.isNew ? PATIENCE_SECONDS.new : PATIENCE_SECONDS.known)
    return { unwell: found, said: `${url} ${found === null ? 'does not answer yet' : 'answers'}` }
  })
  // A sender that is not well is what `mailWarning` is about.
  const broken = unwell?.filter((part) => part !== 'sender') ?? []
  if (broken.length > 0) {
    throw new DeployProblem(`Not well: ${broken.join(', ')}. Why: npm run doctor -- --remote --name ${name}`)
  }
  for (const line of [unwell === null ? null : await passwordWarning(plan, url), await mailWarning(plan)]) {
    if (line !== null) console.log(line)
  }
  console.log(`\n  ${curl(plan, url)}\n`)
  if (plan.worker === null && existsSync(secretsFile(name))) {
    console.log(`Keep a copy of ${shown(secretsFile(name))}: nobody else knows these secrets.`)
  }
}

/** A sign-in is tried, since only that shows whether the plan grants the CPU of a hash: some 70 ms, where the Free plan has 10. */
async function passwordWarning(plan: Plan, url: string): Promise<string | null> {
  if (plan.worker !== null && plan.firstAccount === null) return null
  const nobody = { primary_email: 'nobody@tessera.invalid', password: 'nobody has this password' }
  if ((await signIn(url, credentialsOf(plan) ?? nobody)) !== 'too little CPU') return null
  return `Passwords  take more CPU than this plan grants (1102): Workers Paid, https://dash.cloudflare.com/${plan.account}/workers/plans`
}

async function mailWarning({ cloudflare, account, template, mailFrom, worker }: Plan): Promise<string | null> {
  const transport = template.vars?.['MAIL_TRANSPORT'] ?? worker?.vars['MAIL_TRANSPORT']
  if (transport === 'api') return null
  if (mailFrom === null)
    return 'Mails      have no sender yet, so each is refused and parked: npm run deploy -- --mail-from SENDER'
  const warning = await senderWarning(cloudflare, account, mailFrom)
  return warning === null ? null : `Mails      ${warning}`
}

/** The credentials of the first account; `null` where there is none, or its password is not known. */
function credentialsOf({ name, firstAccount, password }: Plan): { primary_email: string; password: string } | null {
  if (firstAccount === null) return null
  if (password !== null) return { primary_email: firstAccount, password }
  return readKept(accountFile(name, firstAccount)) as KeptAccount | null
}

function curl({ name, firstAccount }: Plan, url: string): string {
  const file = firstAccount === null ? null : accountFile(name, firstAccount)
  if (file === null || !existsSync(file)) return `curl -w '\\n' ${url}/healthz`
  return `curl -w '\\n' ${url}/auth/token -H 'Content-Type: application/json' -d '@${shown(file)}'`
}
