// The UCI optical digits, 1,797 handwritten digits of 8×8 pixels: small enough to come inside the package, so there is
// always one real set, without a network. Source, authors and licence (CC BY 4.0): assets/digits.README.md.
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { IsotorchError } from '../errors.js';
import { ImageDataset } from './dataset.js';
import { readFileBytes } from './idx.js';
import { checkSplit, type LoadSource, type SourceOptions } from './load-source.js';
import { partition } from './split.js';

/** lib/data and dist/data lie at the same depth, so this finds assets/ from sources and from the package alike. */
const FILE = fileURLToPath(new URL('../../assets/digits.csv.gz', import.meta.url));
const COUNT = 1797;
const SIDE = 8;
/** Train and test images: four to one, each digit in proportion. */
const PARTS = [1437, 360] as const;

export const aboutDigits = {
  title: 'UCI optical digits',
  licence: 'CC BY 4.0, E. Alpaydin and C. Kaynak',
  homepage: 'https://doi.org/10.24432/C50P49',
  train: dirname(FILE),
  test: dirname(FILE),
} as const;

/**
 * The optical digits, grey 8×8, their 17 levels spread over 0 … 255: 1,437 to train and 360 to test on, divided at
 * random with a fixed seed and every digit in proportion. Of `options` only `split` and `device` matter.
 * @throws ERR_FILE or ERR_FORMAT when the package's own file is missing or damaged
 * @example const unknown = (await digits({ split: 'test' })).resize(28, 28);
 */
export const digits = (async ({ split, device = 'cpu' }: SourceOptions & { split?: 'train' | 'test' } = {}) => {
  if (split !== undefined) checkSplit(split);
  const { pixels, labels } = parseDigits(await readFileBytes(FILE), FILE);
  const [train, test] = partition(COUNT, Int32Array.from(labels), PARTS, { seed: 0 });
  const part = (indices: Int32Array) =>
    ImageDataset.fromArrays({
      images: Uint8Array.from({ length: indices.length * SIDE * SIDE }, (_, i) => {
        const image = indices[Math.floor(i / (SIDE * SIDE))]!;
        return pixels[image * SIDE * SIDE + (i % (SIDE * SIDE))]!;
      }),
      labels: indices.map((index) => labels[index]!),
      shape: [indices.length, 1, SIDE, SIDE],
      classes: ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9'],
      name: 'digits',
      device,
    });
  if (split === 'train') return part(train!);
  if (split === 'test') return part(test!);
  return { train: part(train!), test: part(test!) };
}) as LoadSource;

/**
 * Pixels (scaled to 0 … 255, row-major) and labels from the gzipped table.
 * @throws ERR_FORMAT, naming the line, when it is not the table that it should be
 */
export function parseDigits(bytes: Uint8Array, source: string): { pixels: Uint8Array; labels: Uint8Array } {
  const bad = (expected: string, received: string, cause?: unknown) =>
    new IsotorchError('ERR_FORMAT', `${source}: expected ${expected}, received ${received}. Install isotorch anew.`, {
      cause,
    });
  let text: string;
  try {
    text = gunzipSync(bytes, { maxOutputLength: 2 ** 20 }).toString('latin1');
  } catch (error) {
    throw bad('a gzipped table', `${bytes.length} bytes that do not unzip`, error);
  }
  const lines = text.trimEnd().split('\n');
  if (lines.length !== COUNT) throw bad(`${COUNT} lines`, String(lines.length));
  const pixels = new Uint8Array(COUNT * SIDE * SIDE);
  const labels = new Uint8Array(COUNT);
  lines.forEach((line, n) => {
    const row = line.split(',').map(Number);
    const good =
      row.length === 65 && row.every((value, i) => Number.isInteger(value) && value >= 0 && value <= (i < 64 ? 16 : 9));
    if (!good) throw bad(`64 integers from 0 to 16 and a digit in line ${n + 1}`, JSON.stringify(line.slice(0, 200)));
    for (let i = 0; i < 64; i++) pixels[n * 64 + i] = Math.round((row[i]! * 255) / 16);
    labels[n] = row[64]!;
  });
  return { pixels, labels };
}
