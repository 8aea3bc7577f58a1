// Percentiles of more numbers than one would sort, exactly and in constant memory: a radix selection. The bits of a float,
// with those of negative ones flipped, are in the order of their values as whole numbers. Each pass counts the next 16 bits
// of those numbers whose higher bits are the wanted one's, so float32 takes two passes and float64 four.

import { IsotorchError } from '../../errors.js';
import { type Tensor, tidy, torch } from '../../tensor/index.js';

/** Goes through all numbers once, in any pieces and order, each in a scope; called anew for each pass. */
export type Walk = (use: (values: Tensor) => void) => Promise<unknown>;

/**
 * The percentiles of all numbers of a walk, with linear interpolation between neighbours, as `numpy.percentile` gives them:
 * for n sorted numbers x, percentile q lies at (n − 1)·q/100, between two of them where that is no whole number.
 *
 * @param wanted from 0 to 100
 * @throws ERR_DATA for numbers that are not finite, for none, and for walks that differ
 * @example
 * const [low, high] = await percentiles((use) => forChunks(training, ({ features }) => use(features!)), [10, 90]);
 */
export async function percentiles(walk: Walk, wanted: readonly number[]): Promise<number[]> {
  const first = await countDigits(walk, null, [null]);
  const { width, counts } = first;
  const total = sum(counts[0]!);
  if (total === 0) throw new IsotorchError('ERR_DATA', 'Expected numbers to take percentiles of but there are none');
  const places = wanted.map((percent) => (percent / 100) * (total - 1));
  const ranks = [...new Set(places.flatMap((place) => [Math.floor(place), Math.ceil(place)]))];

  // Where each wanted number's digits lead: its prefix, and its rank among the numbers that share it.
  let paths = ranks.map((rank) => next(counts[0]!, null, rank));
  for (let digits = 2; digits * 16 <= width; digits++) {
    const prefixes = [...new Set(paths.map(({ prefix }) => prefix))];
    const found = await countDigits(walk, { width, digits }, prefixes);
    const expected = paths.length > 0 && prefixes.every((prefix, i) => sum(found.counts[i]!) === sizeOf(paths, prefix));
    if (!expected || found.width !== width)
      throw new IsotorchError(
        'ERR_DATA',
        'Expected the same numbers in every pass: give arrays, or an iterable that starts over, not a generator object',
      );
    paths = paths.map(({ prefix, rank }) => next(found.counts[prefixes.indexOf(prefix)]!, prefix, rank));
  }
  const valueAt = new Map(ranks.map((rank, i) => [rank, numberOf(paths[i]!.prefix, width)]));
  return places.map((place) => {
    const [below, above] = [valueAt.get(Math.floor(place))!, valueAt.get(Math.ceil(place))!];
    const part = place - Math.floor(place);
    // From the nearer end, as NumPy does, so that the ends themselves are exact.
    return part < 0.5 ? below + (above - below) * part : above - (above - below) * (1 - part);
  });
}

interface Path {
  readonly prefix: bigint;
  readonly rank: number;
  /** How many numbers share the prefix. */
  readonly size: number;
}

const bins = 1 << 16;
const half = BigInt(bins / 2);
const sum = (counts: Float64Array): number => counts.reduce((all, count) => all + count, 0);
const sizeOf = (paths: readonly Path[], prefix: bigint): number => paths.find((path) => path.prefix === prefix)!.size;

/** One digit further: the digit in whose bin the rank falls. The first digit is signed. */
function next(counts: Float64Array, prefix: bigint | null, rank: number): Path {
  let digit = 0;
  for (let left = rank; ; left -= counts[digit++]!)
    if (left < counts[digit]!)
      return {
        prefix: prefix === null ? BigInt(digit) - half : prefix * BigInt(bins) + BigInt(digit),
        rank: left,
        size: counts[digit]!,
      };
}

/** How often each value of a digit occurs behind each prefix. The first digit has none. */
async function countDigits(
  walk: Walk,
  at: { width: number; digits: number } | null,
  prefixes: readonly (bigint | null)[],
): Promise<{ width: number; counts: Float64Array[] }> {
  let width = at?.width ?? 32;
  let sums: Tensor[] = [];
  try {
    await walk((values) =>
      tidy(() => {
        const keys = orderedKeys(values);
        if (sums.length === 0) {
          width = keys.dtype === 'int64' ? 64 : 32;
          sums = prefixes.map(() => torch.zeros([bins], { dtype: 'int64', device: values.device }).keep());
        } else if (width !== (keys.dtype === 'int64' ? 64 : 32))
          throw new IsotorchError('ERR_DTYPE', `Expected numbers of one dtype but ${values.dtype} came among others`);
        const shift = width - 16 * (at?.digits ?? 1);
        prefixes.forEach((prefix, i) => {
          const chosen = prefix === null ? keys : keys.maskedSelect(keys.bitwiseRightShift(shift + 16).eq(prefix));
          const digit = chosen.bitwiseRightShift(shift);
          const positive = prefix === null ? digit.add(bins / 2) : digit.bitwiseAnd(bins - 1);
          sums[i]!.add_(positive.bincount({ minlength: bins }));
        });
      }),
    );
    const counts = sums.map((counted) => tidy(() => counted.to({ device: 'cpu', dtype: 'float64' }).toArraySync()));
    return {
      width,
      counts: counts.length === 0 ? prefixes.map(() => new Float64Array(bins)) : (counts as Float64Array[]),
    };
  } finally {
    for (const counted of sums) counted.dispose();
  }
}

/** [n] int32 or int64, in the order of the values. */
function orderedKeys(values: Tensor): Tensor {
  if (!values.isfinite().all().item())
    throw new IsotorchError('ERR_DATA', 'Expected finite numbers to take percentiles of but some are NaN or infinite');
  const double = values.dtype === 'float64';
  const flat = values
    .detach()
    .to(double ? 'float64' : 'float32')
    .reshape([-1]);
  const bits = flat.view(double ? 'int64' : 'int32');
  const flips = bits.bitwiseRightShift(double ? 63 : 31).bitwiseAnd(double ? 0x7fff_ffff_ffff_ffffn : 0x7fff_ffff);
  return bits.bitwiseXor(flips);
}

/** The number whose ordered key this is. */
function numberOf(key: bigint, width: number): number {
  const bits = key >= 0n ? key : key ^ (width === 64 ? 0x7fff_ffff_ffff_ffffn : 0x7fff_ffffn);
  const bytes = BigInt64Array.of(bits).buffer;
  return width === 64 ? new Float64Array(bytes)[0]! : new Float32Array(Int32Array.of(Number(bits)).buffer)[0]!;
}
