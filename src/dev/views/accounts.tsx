/** The accounts of the local database, each with a button that signs in. */

import type { AccountRecord } from '../records.ts'
import { Card, Empty } from './frame.tsx'

interface AccountsProps {
  readonly accounts: readonly AccountRecord[]
  readonly passwords: ReadonlyMap<string, string>
}

export function Accounts({ accounts, passwords }: AccountsProps) {
  return (
    <Card id="accounts" title="Accounts">
      {accounts.length === 0 && <Empty>No accounts yet: npm start makes three.</Empty>}
      <ul class="rows">
        {accounts.map((account) => (
          <Account account={account} password={passwords.get(account.email ?? '')} />
        ))}
        <li>
          <details class="grow">
            <summary>Sign in with other credentials</summary>
            <form method="post" action="/dev/sign-in" class="fields">
              <label>
                E-mail
                <input name="primary_email" type="text" inputmode="email" autocomplete="off" required />
              </label>
              <label>
                Password
                <input name="password" type="password" autocomplete="off" required />
              </label>
              <button type="submit">Sign in</button>
            </form>
          </details>
        </li>
      </ul>
    </Card>
  )
}

function Account({ account, password }: { readonly account: AccountRecord; readonly password: string | undefined }) {
  const { email, guid, confirmedAt, isActive } = account
  const name = email ?? guid
  return (
    <li>
      <div class="grow">
        <p class="title">
          {name} <Standing email={email} isActive={isActive === 1} isConfirmed={confirmedAt !== null} />
        </p>
        <p class="quiet mono">{password ?? (email === null ? 'signs in by its guid alone' : guid)}</p>
      </div>
      {email !== null && password !== undefined ? (
        <form method="post" action="/dev/sign-in">
          <input type="hidden" name="primary_email" value={email} />
          <input type="hidden" name="password" value={password} />
          <button
            type="submit"
            class={isActive === 1 && confirmedAt !== null ? 'primary' : undefined}
            aria-label={`Sign in as ${email}`}
          >
            Sign in
          </button>
        </form>
      ) : (
        <form method="post" action="/dev/open">
          <input type="hidden" name="guid" value={guid} />
          <button type="submit" aria-label={`Open a session for ${name}`}>
            Open a session
          </button>
        </form>
      )}
    </li>
  )
}

interface StandingProps {
  readonly email: string | null
  readonly isActive: boolean
  readonly isConfirmed: boolean
}

function Standing({ email, isActive, isConfirmed }: StandingProps) {
  if (!isActive) return <span class="badge bad">inactive</span>
  if (email === null) return <span class="badge">no e-mail</span>
  return isConfirmed ? <span class="badge good">confirmed</span> : <span class="badge warn">unconfirmed</span>
}
