/** How far an import is: a bar that is drawn anew on a terminal, a line now and then elsewhere. */

import type { Paint } from '../users/paint.ts'
import { cut, printable } from '../users/printable.ts'

export interface Moment {
  /** Between 0 and 1. */
  readonly part: number
  readonly rows: number
  readonly refused: number
  /** Of this run. */
  readonly rowsOfRun: number
  readonly partOfRun: number
  readonly seconds: number
}

const BAR_WIDTH = 20
/** On a terminal, and elsewhere. */
const PAUSE_MS = { drawn: 100, lines: 10_000 }

export interface ProgressBar {
  readonly show: (moment: Moment) => void
  /** A line above the bar. */
  readonly say: (text: string) => void
  /** Takes the bar away. */
  readonly end: () => void
}

/** Draws on a stream. `now` is in milliseconds. */
export function createProgressBar(
  stream: Pick<NodeJS.WriteStream, 'isTTY' | 'columns' | 'write'>,
  paint: Paint,
  now: () => number,
): ProgressBar {
  const isDrawn = stream.isTTY
  let shownAt = isDrawn ? -Infinity : now()
  let isThere = false
  const clear = () => {
    if (isThere) stream.write('\r\u001b[K')
    isThere = false
  }
  return {
    show(moment) {
      if (now() - shownAt < (isDrawn ? PAUSE_MS.drawn : PAUSE_MS.lines)) return
      shownAt = now()
      if (!isDrawn) {
        stream.write(`${wordsOf(moment)}\n`)
        return
      }
      clear()
      stream.write(cutPainted(barOf(moment.part), wordsOf(moment), stream.columns, paint))
      isThere = true
    },
    say(text) {
      clear()
      stream.write(`${printable(text)}\n`)
    },
    end: clear,
  }
}

function cutPainted(bar: string, words: string, columns: number, paint: Paint): string {
  return `${paint('cyan', bar)} ${cut(words, Math.max(10, columns - bar.length - 2))}`
}

/** Blocks, an eighth of one at the end. */
export function barOf(part: number): string {
  const eighths = Math.round(Math.min(1, Math.max(0, part)) * BAR_WIDTH * 8)
  const whole = '█'.repeat(Math.floor(eighths / 8))
  const rest = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉'][eighths % 8] ?? ''
  return (whole + rest).padEnd(BAR_WIDTH, '░')
}

/** ` 63 %  63,000 rows  1,240 a second  30 s left  3 refused`. */
export function wordsOf({ part, rows, refused, rowsOfRun, partOfRun, seconds }: Moment): string {
  const rate = seconds > 0 ? rowsOfRun / seconds : 0
  const left = partOfRun > 0 ? ((1 - part) / partOfRun) * seconds : NaN
  const words = [
    `${String(Math.floor(part * 100)).padStart(3)} %`,
    `${numberOf(rows)} rows`,
    `${numberOf(Math.round(rate))} a second`,
    ...(Number.isFinite(left) ? [`${durationOf(left)} left`] : []),
    ...(refused > 0 ? [`${numberOf(refused)} refused`] : []),
  ]
  return words.join('  ')
}

/** `100,000`. */
export function numberOf(value: number): string {
  return value.toLocaleString('en')
}

/** `30 s`, `4 min 10 s`, `2 h 5 min`. */
export function durationOf(seconds: number): string {
  const whole = Math.round(seconds)
  if (whole < 60) return `${whole} s`
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`
}
