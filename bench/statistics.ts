/** The few numbers that many short rounds give. */

/** The middle of the values, and the ends of their middle half: what is beyond them was the machine. */
export interface Spread {
  readonly median: number
  readonly low: number
  readonly high: number
}

export function spread(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b)
  return { median: quantile(sorted, 0.5), low: quantile(sorted, 0.25), high: quantile(sorted, 0.75) }
}

/** Between two values, a share of both. `NaN` for none at all. */
function quantile(sorted: readonly number[], share: number): number {
  const at = (sorted.length - 1) * share
  const [below, above] = [Math.floor(at), Math.ceil(at)].map((i) => sorted[i] ?? Number.NaN)
  if (below === undefined || above === undefined) return Number.NaN
  return below + (above - below) * (at - Math.floor(at))
}
