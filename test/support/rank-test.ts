/** The rank-sum test of Mann and Whitney: whether one sample tends to be larger than another, whatever their distributions. */

/**
 * How many standard deviations the rank sum of `one` lies from what it would be if both were alike; above 0 where `one` is the larger.
 * Equal values share their ranks. By the normal approximation, which is good from some 20 values on.
 */
export function rankDeviation(one: readonly number[], other: readonly number[]): number {
  const [n, m] = [one.length, other.length]
  const all = [...one.map((value) => ({ value, isOne: true })), ...other.map((value) => ({ value, isOne: false }))]
  all.sort((a, b) => a.value - b.value)
  let [rankSum, ties] = [0, 0]
  for (let start = 0; start < all.length;) {
    let end = start
    while (end < all.length && all[end]?.value === all[start]?.value) end += 1
    // Ranks from `start + 1` to `end`.
    const shared = (start + 1 + end) / 2
    rankSum += shared * all.slice(start, end).filter(({ isOne }) => isOne).length
    ties += (end - start) ** 3 - (end - start)
    start = end
  }
  const total = n + m
  const variance = ((n * m) / 12) * (total + 1 - ties / (total * (total - 1)))
  return variance === 0 ? 0 : (rankSum - (n * (total + 1)) / 2) / Math.sqrt(variance)
}
