/** What a person is told whose page of an account cannot be shown, or whose form was not taken. */

import { type Html, type PageContext } from '../layout.ts'
import { wayOn } from '../parts.ts'
import { renderNext } from './forms.ts'

export function renderTrouble(context: PageContext, what: 'trouble' | 'refused' | 'notFound'): Html {
  const { title, text } = context.words.accountPages[what]
  return renderNext(context, { title, texts: [text], links: what === 'trouble' ? [] : [wayOn(context, 'other')] })
}
