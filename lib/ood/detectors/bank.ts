// Banks: rows of training images that a detector keeps to compare with. They grow with the training set, by design; all else
// is done in tiles of bounded size.

import { IsotorchError } from '../../errors.js';
import { type Tensor, tidy, torch } from '../../tensor/index.js';

/** Queries of a tile: enough for a matrix product to run at full speed. */
export const TILE_QUERIES = 512;
/** Bank rows of a tile. Together they bound the memory of a score: 128 MiB in float32. */
export const TILE_ROWS = 1 << 16;

/** f / ‖f‖₂ in float64, [N, D]; features of norm 0 stay 0, having no direction. */
export const directions = (features: Tensor): Tensor => {
  const x = features.to('float64');
  return x.div(torch.linalg.vectorNorm(x, 2, [1], true).clampMin(1e-300));
};

/** The dtype in which features are kept and multiplied: their own, where the CPU multiplies it well. */
export const bankDtype = ({ dtype }: Tensor): 'float32' | 'float64' => (dtype === 'float64' ? 'float64' : 'float32');

/** The parts of a bank, as they come in a pass, put together at its end. */
export class Collected {
  private readonly parts: Tensor[] = [];

  add(part: Tensor): void {
    this.parts.push(part.clone().keep());
  }

  /** All rows, in order. */
  joined(): Tensor {
    return torch.cat(this.parts);
  }

  [Symbol.dispose](): void {
    for (const part of this.parts) part.dispose();
  }
}

/** `score` of tiles of rows of `queries`, put together. What it makes for one is freed before the next. @returns [N] */
export function byQueries(queries: Tensor, score: (part: Tensor, start: number) => Tensor): Tensor {
  const parts: Tensor[] = [];
  for (let start = 0; start < queries.shape[0]!; start += TILE_QUERIES)
    parts.push(tidy(() => score(queries.narrow(0, start, Math.min(TILE_QUERIES, queries.shape[0]! - start)), start)));
  return torch.cat(parts);
}

/** `use` of each stretch of at most `rows` of a bank. */
export function byRows(bank: number, use: (start: number, length: number) => void, rows = TILE_ROWS): void {
  for (let start = 0; start < bank; start += rows) use(start, Math.min(rows, bank - start));
}

/** @throws ERR_DATA when there are fewer rows than neighbours */
export function enoughRows(rows: number, k: number, detector: string, advice: string): void {
  if (rows < k)
    throw new IsotorchError(
      'ERR_DATA',
      `${detector}: expected at least k = ${k} images in the bank, received ${rows}: ${advice}`,
    );
}
