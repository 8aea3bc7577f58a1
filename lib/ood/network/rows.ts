// Rows that come batch by batch, in one tensor from the start where their number is known: no list of parts that is joined
// at the end, which would need the memory twice.

import { IsotorchError } from '../../errors.js';
import { type Tensor, tidy, torch } from '../../tensor/index.js';

export class Rows {
  #filled = 0;
  #tensor: Tensor | undefined;
  readonly #what: string;
  readonly #expected: number;

  /**
   * @param what they are, with the data set's name, for messages
   * @param expected how many rows will come; more or fewer may
   */
  constructor(what: string, expected: number) {
    this.#what = what;
    this.#expected = Number.isSafeInteger(expected) ? expected : 0;
  }

  get filled(): number {
    return this.#filled;
  }

  /** Copies the rows of `part` behind those that are there. @throws ERR_SHAPE for rows of another shape */
  append(part: Tensor): void {
    const [rows, ...row] = part.shape as [number, ...number[]];
    const needed = this.#filled + rows;
    if (this.#tensor === undefined) this.#tensor = this.#room(part, Math.max(needed, this.#expected));
    const [capacity, ...shape] = this.#tensor.shape as [number, ...number[]];
    if (row.join() !== shape.join())
      throw new IsotorchError(
        'ERR_SHAPE',
        `Expected rows of one shape for ${this.#what}, received [${shape.join(', ')}] and [${row.join(', ')}]`,
      );
    if (needed > capacity) this.#move(this.#room(part, Math.max(needed, 2 * capacity)));
    tidy(() => {
      this.#tensor!.narrow(0, this.#filled, rows).copy_(part);
    });
    this.#filled = needed;
  }

  /** All of them, which are the caller's from now on. */
  finish(): Tensor {
    if (this.#tensor!.shape[0] !== this.#filled) this.#move(this.#room(this.#tensor!, this.#filled));
    const tensor = this.#tensor!;
    this.#tensor = undefined;
    return tensor;
  }

  dispose(): void {
    this.#tensor?.dispose();
  }

  #room(like: Tensor, rows: number): Tensor {
    const { dtype, device, shape } = like;
    return tidy(() => torch.empty([rows, ...shape.slice(1)], { dtype, device })).keep();
  }

  #move(to: Tensor): void {
    tidy(() => {
      to.narrow(0, 0, this.#filled).copy_(this.#tensor!.narrow(0, 0, this.#filled));
    });
    this.#tensor!.dispose();
    this.#tensor = to;
  }
}
