// Sums in NumPy's order. Floating-point sums depend on their order in the last digits, and a profile shall give a peer's
// number to the last one.

/** `numpy.sum` of doubles: halves down to blocks of at most 128, which are added in eight lanes. */
export function sum(values: Float64Array): number {
  return pairwise(values, 0, values.length);
}

/** `numpy.trapezoid(y, x)`: Σ (xᵢ₊₁ − xᵢ) (yᵢ₊₁ + yᵢ) / 2. */
export function trapezoid(y: Float64Array, x: Float64Array): number {
  const areas = new Float64Array(x.length - 1);
  for (let i = 0; i < areas.length; i++) areas[i] = ((x[i + 1]! - x[i]!) * (y[i + 1]! + y[i]!)) / 2;
  return sum(areas);
}

function pairwise(values: Float64Array, start: number, count: number): number {
  if (count > 128) {
    const half = (count >> 1) - ((count >> 1) % 8);
    return pairwise(values, start, half) + pairwise(values, start + half, count - half);
  }
  const end = start + count;
  let total = 0;
  let i = start;
  if (count >= 8) {
    const lanes = values.slice(start, start + 8);
    for (i += 8; i + 8 <= end; i += 8) for (let lane = 0; lane < 8; lane++) lanes[lane]! += values[i + lane]!;
    const [a, b, c, d, e, f, g, h] = lanes as unknown as [
      number,
      number,
      number,
      number,
      number,
      number,
      number,
      number,
    ];
    total = a + b + (c + d) + (e + f + (g + h));
  }
  for (; i < end; i++) total += values[i]!;
  return total;
}
