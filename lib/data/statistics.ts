// Channel means and standard deviations with which images are normalised before they enter a network, in units of
// full scale (a uint8 pixel of 255 is 1). A network that was trained with one set's numbers must see every other set,
// unknown ones included, through the same numbers.
import { expected, IsotorchError } from '../errors.js';

/** One number a channel, in units of full scale. */
export interface Statistics {
  readonly mean: readonly number[];
  readonly std: readonly number[];
}

/**
 * The customary numbers of well-known sets. CIFAR-10, CIFAR-100 and SVHN: those of the IsoMax papers' code (three
 * decimals, dlmacedo/entropic-out-of-distribution-detection, loaders/image.py). MNIST and Fashion-MNIST: the training
 * set's own, to four decimals, as in PyTorch's examples.
 */
export const statistics = {
  mnist: { mean: [0.1307], std: [0.3081] },
  fashionMnist: { mean: [0.286], std: [0.353] },
  cifar10: { mean: [0.491, 0.482, 0.446], std: [0.247, 0.243, 0.261] },
  cifar100: { mean: [0.507, 0.486, 0.44], std: [0.267, 0.256, 0.276] },
  svhn: { mean: [0.437, 0.443, 0.472], std: [0.198, 0.201, 0.197] },
} as const satisfies Record<string, Statistics>;

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
