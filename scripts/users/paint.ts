/** Colours, on a terminal alone. */

import { styleText } from 'node:util'

export type Colour = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'cyan'

/** Colours a text, or leaves it as it is. */
export type Paint = (colour: Colour, text: string) => string

/** Without colours. */
export const plain: Paint = (_colour, text) => text

/** Colours for a stream that is a terminal, unless `NO_COLOR` is set (https://no-color.org). */
export function paintFor(stream: NodeJS.WriteStream, env: Readonly<NodeJS.Dict<string>>): Paint {
  const isWanted = env['NO_COLOR'] === undefined || env['NO_COLOR'] === ''
  return stream.isTTY && isWanted ? (colour, text) => styleText(colour, text, { validateStream: false }) : plain
}
