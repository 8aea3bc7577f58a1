// Checks and measures the statistics that images are normalised with.
import { expected, IsotorchError } from '../errors.js';
import type { Statistics } from '../known/statistics.js';

export { type Statistics, statistics } from '../known/statistics.js';

/** Throws ERR_ARGUMENT or ERR_SHAPE unless there is a finite mean and a positive std for each channel. */
export function checkStatistics({ mean, std }: Statistics, channels: number): void {
  for (const [name, values] of [
    ['mean', mean],
    ['std', std],
  ] as const) {
    if (!Array.isArray(values)) throw expected('an array with a number a channel', name, values);
    if (values.length !== channels) {
      throw new IsotorchError(
        'ERR_SHAPE',
        `Expected ${channels} numbers for ${name}, one a channel of the images, but received ${values.length}`,
      );
    }
    values.forEach((value: unknown, channel) => {
      const good = typeof value === 'number' && Number.isFinite(value) && (name === 'mean' || value > 0);
      if (!good) throw expected(`a finite${name === 'std' ? ', positive' : ''} number`, `${name}[${channel}]`, value);
    });
  }
}

/**
 * Mean and (population) standard deviation in units of full scale from how often each of the 256 values occurs. Exact.
 * Where all values are the same the deviation is given as 1, so that dividing by it does no harm.
 */
export function statisticsOfCounts(counts: readonly number[]): { mean: number; std: number } {
  let n = 0;
  let sum = 0;
  let squares = 0; // below 2^53 for up to 10^11 pixels
  counts.forEach((count, value) => {
    n += count;
    sum += count * value;
    squares += count * value * value;
  });
  if (counts.filter((count) => count > 0).length < 2) return { mean: n === 0 ? 0 : sum / n / 255, std: 1 };
  const mean = sum / n;
  return { mean: mean / 255, std: Math.sqrt(squares / n - mean * mean) / 255 };
}
