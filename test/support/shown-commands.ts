/** Commands that a document shows with their output, in fences of `console`: a line after `$ ` is one, and what follows is what it prints. */

import { fenced } from './markdown.ts'

export interface ShownCommand {
  readonly line: string
  /** Without a line break at its end; empty where nothing is shown. */
  readonly output: string
}

/** All of a document, in their order. */
export function shownCommands(document: string): readonly ShownCommand[] {
  return fenced(document, 'console').flatMap((code) =>
    code
      .split(/^\$ /m)
      .slice(1)
      .map((text) => {
        const [line = '', ...output] = text.trimEnd().split('\n')
        return { line, output: output.join('\n').trimEnd() }
      }),
  )
}

/** What differs with each run, as the documents have it, and as any run may. */
const VARYING: readonly (readonly [RegExp, string])[] = [
  [/[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}/, '[\\da-f]{8}(?:-[\\da-f]{4}){3}-[\\da-f]{12}'],
  [/\d{4}-\d{2}-\d{2} \d{2}:\d{2}/, '\\d{4}-\\d{2}-\\d{2} \\d{2}:\\d{2}'],
  [/\b202[67]-\d{2}-\d{2}\b/, '\\d{4}-\\d{2}-\\d{2}'],
  [/\b(?=[\da-f]{0,7}\d)[\da-f]{8}\b/, '[\\da-f]{8}'],
  [/"(?:user_id|created_at|updated_at|seconds)":[\d.]+/, '"\\w+":[\\d.]+'],
  [/user id +\d+/, 'user id +\\d+'],
  [/in \d+ s\b/, 'in (?:\\d+ min )?\\d+ s'],
  [/localhost:\d+/, 'localhost:\\d+'],
  [/…/, '[^\\n]*'],
]

/** A pattern for the output of a run that says what a document shows: ids, times and ports differ, and `…` is anything within a line. */
export function patternOf(shown: string): RegExp {
  const all = new RegExp(VARYING.map(([found]) => `(${found.source})`).join('|'), 'gm')
  let pattern = ''
  let end = 0
  for (const match of shown.matchAll(all)) {
    const which = match.slice(1).findIndex((group) => group !== undefined)
    pattern += RegExp.escape(shown.slice(end, match.index)) + (VARYING[which]?.[1] ?? '')
    end = match.index + match[0].length
  }
  return new RegExp(`^${pattern}${RegExp.escape(shown.slice(end))}$`)
}
