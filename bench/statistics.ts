/** Medians and quartiles of many short rounds. */

/** The median of the values and their quartiles, between which the machine disturbed little. */
export interface Spread {
  readonly median: number
  readonly low: number
  readonly high: number
}

export function spread(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b)
  return { median: quantile(sorted, 0.5), low: quantile(sorted, 0.25), high: quantile(sorted, 0.75) }
}

/** A quantile, interpolated between two values. `NaN` where there is no value. */
function quantile(sorted: readonly number[], share: number): number {
  const at = (sorted.length - 1) * share
  const [below, above] = [Math.floor(at), Math.ceil(at)].map((i) => sorted[i] ?? Number.NaN)
  if (below === undefined || above === undefined) return Number.NaN
  return below + (above - below) * (at - Math.floor(at))
}
