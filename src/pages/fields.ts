/** Fields of forms: each has a label, perhaps a hint, and where it was refused the reason, which is read out with it. */

import { html } from 'hono/html'

import type { Html, PageContext } from './layout.ts'
import { notice } from './parts.ts'

/** What a browser or a password manager may fill in (HTML, section 4.10.18.7). */
type Autocomplete = 'username' | 'email' | 'current-password' | 'new-password' | 'off'

export interface Field {
  /** Unique on its page: it is its id as well. */
  readonly name: string
  readonly type: 'text' | 'email' | 'password'
  readonly label: string
  readonly autocomplete: Autocomplete
  readonly hint?: string
  /** Why it was refused. */
  readonly error?: string
  /** What somebody typed before. Never a password. */
  readonly value?: string
  /** Characters. A password is not cut by the browser without a word, so its rule says that it is too long. */
  readonly maxLength?: number
}

/** What a form was refused with, in words: by the names of its fields, and about all of it. */
export interface Refusal {
  readonly fields: Readonly<Record<string, string>>
  readonly form: string | null
}

export const NOTHING_REFUSED: Refusal = { fields: {}, form: null }

/** One field. All are required: a form asks for nothing that it can do without. */
export function field({ name, type, label, autocomplete, hint, error, value, maxLength }: Field): Html {
  const [hintId, errorId] = [`${name}-hint`, `${name}-error`]
  const described = [hint === undefined ? null : hintId, error === undefined ? null : errorId].filter(
    (id) => id !== null,
  )
  const attributes = [
    html` id="${name}" name="${name}" type="${type}" autocomplete="${autocomplete}" required`,
    // Addresses and passwords are no words: nothing is to correct them, or to send them somewhere to be checked.
    html` autocapitalize="none" spellcheck="false"`,
    value === undefined || type === 'password' ? '' : html` value="${value}"`,
    maxLength === undefined ? '' : html` maxlength="${maxLength}"`,
    described.length === 0 ? '' : html` aria-describedby="${described.join(' ')}"`,
    error === undefined ? '' : html` aria-invalid="true"`,
  ]
  return html`<div class="field"><label for="${name}">${label}</label><input${attributes}/>${
    hint === undefined ? '' : html`<p class="hint" id="${hintId}">${hint}</p>`
  }${error === undefined ? '' : html`<p class="error" id="${errorId}">${error}</p>`}</div>`
}

/**
 * Whose password a form asks for, where nobody has to type that: password managers fill in, and keep, the password of this account, and
 * take no other field for its name. It is not shown, and not read.
 */
export function ownerField(email: string | null): Html | '' {
  if (email === null) return ''
  return html`<input type="text" name="username" value="${email}" autocomplete="username" readonly hidden/>`
}

/** A box to tick. `label` may have markup. */
export function checkbox(name: string, label: Html | string): Html {
  return html`<label class="check"><input type="checkbox" name="${name}" value="yes"/><span>${label}</span></label>`
}

/** Above a form that was refused: every reason, with a link to its field. Nothing where no field has one. */
export function errorSummary({ words }: PageContext, fields: readonly Field[]): Html | '' {
  const refused = fields.filter(({ error }) => error !== undefined)
  if (refused.length === 0) return ''
  const reasons = refused.map(({ name, label, error }) => html`<li><a href="#${name}">${label}</a>: ${error}</li>`)
  return notice(html`<p>${words.forms.problems}</p><ul>${reasons}</ul>`, 'bad')
}
