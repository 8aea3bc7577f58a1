// Percentiles of more numbers than one would sort, exactly and in constant memory: a radix selection. A float's bits order it
// among those of its sign, so each pass counts the next 16 bits of those numbers whose higher bits are the wanted one's:
// two passes for float32 (and the half types), four for float64.

import { IsotorchError } from '../../errors.js';
import { type Tensor, tidy, torch } from '../../tensor/index.js';

/** Goes through all numbers once, in any pieces and order, each in a scope; called anew for each pass. */
export type Walk = (use: (values: Tensor) => void) => Promise<unknown>;

/**
 * The percentiles of all numbers of a walk, with linear interpolation between neighbours, as `numpy.percentile` gives them:
 * for n sorted numbers x, percentile q lies at (n − 1)·q/100, between two of them where that is no whole number.
 *
 * @param wanted from 0 to 100
 * @throws ERR_DATA for numbers that are not finite, for none, and for walks that differ; ERR_DTYPE for dtypes that do
 * @example
 * const [low, high] = await percentiles((use) => forChunks(training, ({ features }) => use(features!)), [10, 90]);
 */
export async function percentiles(walk: Walk, wanted: readonly number[]): Promise<number[]> {
  const { dtype, counts } = await countPieces(walk, [[]]);
  const total = sum(counts[0]!);
  if (total === 0) throw new IsotorchError('ERR_DATA', 'Expected numbers to take percentiles of but there are none');
  if (counts[0]!.some((count, bits) => count > 0 && (bits & exponents[dtype]) === exponents[dtype]))
    throw new IsotorchError('ERR_DATA', 'Expected finite numbers to take percentiles of but some are NaN or infinite');
  const places = wanted.map((percent) => (percent / 100) * (total - 1));
  const ranks = [...new Set(places.flatMap((place) => [Math.floor(place), Math.ceil(place)]))];

  let paths = ranks.map((rank) => further({ pieces: [], rank, size: total }, counts[0]!));
  for (let level = 1; level < pieceCount[dtype]; level++) {
    const distinct = new Map(paths.map((path) => [path.pieces.join(), path]));
    const found = await countPieces(
      walk,
      [...distinct.values()].map(({ pieces }) => pieces),
    );
    const behind = new Map([...distinct.keys()].map((key, i) => [key, found.counts[i]!]));
    if (found.dtype !== dtype || [...distinct].some(([key, { size }]) => sum(behind.get(key)!) !== size))
      throw new IsotorchError(
        'ERR_DATA',
        'Expected the same numbers in every pass: give arrays, or an iterable that starts over, not a generator object',
      );
    paths = paths.map((path) => further(path, behind.get(path.pieces.join())!));
  }
  const numbers = new Map(ranks.map((rank, i) => [rank, numberOf(paths[i]!.pieces, dtype)]));
  return places.map((place) => {
    const [below, above] = [numbers.get(Math.floor(place))!, numbers.get(Math.ceil(place))!];
    const part = place - Math.floor(place);
    // From the nearer end, as NumPy does, so that the ends themselves are exact.
    return part < 0.5 ? below + (above - below) * part : above - (above - below) * (1 - part);
  });
}

/** The way to one number: its highest bits in pieces of 16, its rank among the numbers that share them, and how many do. */
interface Path {
  readonly pieces: readonly number[];
  readonly rank: number;
  readonly size: number;
}

type Kind = 'float32' | 'float64';
const pieceCount = { float32: 2, float64: 4 } as const;
/** Of the highest piece. All are 1 in what is not finite. */
const exponents = { float32: 0x7f80, float64: 0x7ff0 } as const;
const bins = 1 << 16;
const signBit = 0x8000;

const sum = (counts: Float64Array): number => counts.reduce((all, count) => all + count, 0);

/** One piece further, to that in whose bin the rank falls. Bits of negative numbers are in descending order. */
function further({ pieces, rank }: Path, counts: Float64Array): Path {
  const negative = (pieces[0] ?? 0) >= signBit;
  for (let i = 0, left = rank; ; i++) {
    let piece = negative ? bins - 1 - i : i;
    if (pieces.length === 0) piece = i < signBit ? bins - 1 - i : i - signBit;
    const size = counts[piece]!;
    if (left < size) return { pieces: [...pieces, piece], rank: left, size };
    left -= size;
  }
}

/** For each beginning, how often each value of the piece after it occurs. */
async function countPieces(
  walk: Walk,
  beginnings: readonly (readonly number[])[],
): Promise<{ dtype: Kind; counts: Float64Array[] }> {
  let dtype: Kind | undefined;
  const sums: Tensor[] = [];
  try {
    await walk((values) =>
      tidy(() => {
        const kind = values.dtype === 'float64' ? 'float64' : 'float32';
        dtype ??= kind;
        if (kind !== dtype)
          throw new IsotorchError('ERR_DTYPE', `Expected numbers of ${dtype} as before, received ${values.dtype}`);
        const count = pieceCount[kind];
        const all = values.detach().to(kind).reshape([-1]).view('int16').view([-1, count]);
        const piece = (level: number) => all.select(1, count - 1 - level);
        beginnings.forEach((beginning, i) => {
          let next = piece(beginning.length);
          // int16 is signed.
          const same = beginning.map((bits, level) => piece(level).eq(bits < signBit ? bits : bits - bins));
          if (same.length > 0) {
            const these = same.reduce((both, one) => both.logicalAnd(one));
            next = next.indexSelect(0, these.nonzero().squeeze(1));
          }
          sums[i] ??= torch.zeros([bins], { dtype: 'int64', device: values.device }).keep();
          sums[i].add_(
            next
              .to('int32')
              .bitwiseAnd(bins - 1)
              .bincount({ minlength: bins }),
          );
        });
      }),
    );
    const counts = beginnings.map((_, i) => {
      const counted = sums[i];
      if (counted === undefined) return new Float64Array(bins);
      return tidy(() => counted.to({ device: 'cpu', dtype: 'float64' }).toArraySync() as Float64Array);
    });
    return { dtype: dtype ?? 'float32', counts };
  } finally {
    for (const counted of sums) counted.dispose();
  }
}

/** The number that these bits are. */
function numberOf(pieces: readonly number[], dtype: Kind): number {
  const view = new DataView(new ArrayBuffer(8));
  pieces.forEach((piece, i) => {
    view.setUint16(2 * i, piece);
  });
  return dtype === 'float64' ? view.getFloat64(0) : view.getFloat32(0);
}
