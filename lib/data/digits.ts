// The UCI optical digits, 1,797 handwritten digits of 8×8 pixels: small enough to come inside the package, so there is
// always one real set, without a network. Source, authors and licence (CC BY 4.0): assets/digits.README.md.
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { IsotorchError } from '../errors.js';
import type { DigitsEntry } from '../known/dataSets.js';
import { readFileBytes } from './idx.js';
import { ImageDataset } from './imageDataset.js';
import type { Reader } from './loadSource.js';
import { partition } from './split.js';

/** lib/data and dist/data lie at the same depth, so this finds assets/ from sources and from the package alike. */
const FILE = fileURLToPath(new URL('../../assets/digits.csv.gz', import.meta.url));
const COUNT = 1797;
const SIDE = 8;
const AREA = SIDE * SIDE;
/** Train and test images: four to one, each digit in proportion. */
const PARTS = [1437, 360] as const;

export const digitsReader: Reader<DigitsEntry> = {
  find: async () => dirname(FILE),
  async read({ classes }, split, { device = 'cpu' }) {
    const { pixels, labels } = parseDigits(await readFileBytes(FILE), FILE);
    const [train, test] = partition(COUNT, Int32Array.from(labels), PARTS, { seed: 0 });
    const indices = (split === 'train' ? train : test)!;
    const images = new Uint8Array(indices.length * AREA);
    for (const [i, index] of indices.entries()) images.set(pixels.subarray(index * AREA, (index + 1) * AREA), i * AREA);
    return ImageDataset.fromArrays({
      images,
      labels: indices.map((index) => labels[index]!),
      shape: [indices.length, 1, SIDE, SIDE],
      classes,
      name: 'digits',
      device,
    });
  },
};

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
  const pixels = new Uint8Array(COUNT * AREA);
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
