// The digits of the package as a plain table: a row for each, 64 grey values of 0 … 1 and the digit.

import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { type Tensor, torch } from '../../lib/rooms.js';

/** The first rows are for training, the others for tests. */
export const TRAIN = 1500;

/** @returns pixels [1797, 64], labels [1797] */
export function digits(): { pixels: Tensor; labels: Tensor } {
  const file = new URL('../../assets/digits.csv.gz', import.meta.url);
  const lines = gunzipSync(readFileSync(file)).toString('latin1').trim().split('\n');
  const table = torch.tensor(lines.map((line) => line.split(',').map(Number)));
  return { pixels: table.narrow(1, 0, 64).div(16), labels: table.select(1, 64).long() };
}
