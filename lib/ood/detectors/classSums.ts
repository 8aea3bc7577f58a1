// Means by class over any number of chunks, in one pass: sums and counts in float64.

import { type Tensor, tidy, torch } from '../../tensor/index.js';

export class ClassSums {
  #sums: Tensor | null = null;
  #counts: Tensor | null = null;

  /**
   * Adds rows to the sums of their classes.
   * @param rows float64 [N, D]
   * @param classes int64 [N], from 0 to below `count`
   */
  add(rows: Tensor, classes: Tensor, count: number): void {
    tidy(() => {
      const place = { dtype: 'float64', device: rows.device } as const;
      this.#sums ??= torch.zeros([count, rows.shape[1]!], place).keep();
      this.#counts ??= torch.zeros([count], place).keep();
      this.#sums.indexAdd_(0, classes, rows);
      this.#counts.indexAdd_(0, classes, torch.ones([rows.shape[0]!], place));
    });
  }

  /** How many rows each class had. */
  counts(): number[] {
    return this.#counts?.tolist() as number[];
  }

  /** float64 [count, D]; rows of 0 for classes without rows. */
  means(): Tensor {
    return tidy(() => this.#sums!.div(this.#counts!.clampMin(1).unsqueeze(1)));
  }

  dispose(): void {
    this.#sums?.dispose();
    this.#counts?.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}
