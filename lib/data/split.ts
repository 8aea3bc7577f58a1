// Dividing a set at random into parts of exact sizes, class by class where there are labels. Depends only on the size,
// the labels and the seed: the same split on every machine.

import { wholeNumber } from '../arguments.js';
import { expected, IsotorchError } from '../errors.js';
import { SeededRandom } from './random.js';

export interface SplitOptions {
  /** @default 0 */
  seed?: number;
  /** Every class in the same proportion in every part. @default true where there are labels */
  stratified?: boolean;
}

/**
 * Indices of each part, ascending.
 *
 * Stratified is systematic sampling: the j-th of a class's n images (in random order) gets the rank (j + u) / n with
 * one random u in [0, 1) a class, and the parts are cut from all images in the order of their ranks. So each part
 * holds each class in the whole's proportion, as nearly as whole images allow, and the parts' sizes are exact.
 */
export function partition(
  size: number,
  labels: Int32Array | null,
  parts: number | readonly number[],
  { seed = 0, stratified = labels !== null }: SplitOptions,
): Int32Array[] {
  const counts = partSizes(size, parts);
  const random = new SeededRandom('split', seed);
  const order = random.permutation(size);
  if (stratified && labels) {
    const rank = ranks(order, labels, random);
    order.sort((a, b) => rank[a]! - rank[b]!);
  }
  let start = 0;
  return counts.map((count) => {
    const part = order.slice(start, start + count);
    start += count;
    return part.sort();
  });
}

function ranks(order: Int32Array, labels: Int32Array, random: SeededRandom): Float64Array {
  const totals: number[] = [];
  for (const label of labels) totals[label] = (totals[label] ?? 0) + 1;
  const starts = totals.map(() => random.uniform());
  const seen: number[] = [];
  const rank = new Float64Array(labels.length);
  for (const index of order) {
    const label = labels[index]!;
    const j = seen[label] ?? 0;
    seen[label] = j + 1;
    rank[index] = (j + starts[label]!) / totals[label]!;
  }
  return rank;
}

function partSizes(size: number, parts: number | readonly number[]): readonly number[] {
  if (typeof parts === 'number') {
    if (!(parts > 0 && parts < 1)) throw expected('a fraction between 0 and 1, or an array of counts', 'parts', parts);
    const first = Math.round(size * parts);
    return [first, size - first];
  }
  if (!Array.isArray(parts) || parts.length === 0) {
    throw expected('a fraction between 0 and 1, or an array of counts', 'parts', parts);
  }
  const counts = parts.map((count, i) => wholeNumber(count, `parts[${i}]`, 0));
  const sum = counts.reduce((total, count) => total + count, 0);
  if (sum !== size) {
    throw new IsotorchError(
      'ERR_ARGUMENT',
      `Expected parts that add up to the ${size} images of the set but received ${counts.join(' + ')} = ${sum}`,
    );
  }
  return counts;
}
