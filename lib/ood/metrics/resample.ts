// Bootstrap resamples as multiplicities: how often each of n images is drawn when n are drawn with replacement. With the
// scores sorted once, a resample's curve is then one pass over them; nothing is copied and nothing sorted again.
//
// The counts are multinomial, exactly, though few images are drawn one by one. Independent Poisson counts, given their total,
// are multinomial; so every image gets a Poisson count, of a rate a little below 1, and what is missing of n is drawn singly.
// One byte of random numbers decides most counts, and where a byte leaves two possible, 32 more bits decide.

import type { SeededRandom } from '../../data/index.js';

/** In the table: the byte doesn't decide. Larger than any count there. */
const UNDECIDED = 128;

export class Resampler {
  readonly #size: number;
  readonly #bytes: Uint8Array;
  /** The count that a byte decides. */
  readonly #table = new Uint8Array(256);
  /** P(count ≤ k); the last is 1. */
  readonly cumulative: readonly number[];
  readonly #undecided: Uint32Array;

  /** @param size n, at least 1 */
  constructor(size: number) {
    this.#size = size;
    this.#bytes = new Uint8Array(size);
    this.#undecided = new Uint32Array(size);
    // The total is about n − 2 √n ± √n: one in fifty is above n and drawn anew. With few images the rate is 0.
    const rate = Math.max(0, 1 - 2 / Math.sqrt(size));
    const cumulative: number[] = [];
    for (let k = 0, p = Math.exp(-rate), sum = 0; sum + p > sum; k++, p *= rate / k) {
      sum += p;
      cumulative.push(sum);
    }
    cumulative[cumulative.length - 1] = 1;
    this.cumulative = cumulative;
    for (let byte = 0; byte < 256; byte++) {
      const first = this.#count(byte / 256);
      this.#table[byte] = this.cumulative[first]! >= (byte + 1) / 256 ? first : UNDECIDED;
    }
  }

  /** Sets `counts[i]` to how often image i is drawn; they add up to n. */
  draw(random: SeededRandom, counts: Uint8Array): void {
    const size = this.#size;
    let missing: number;
    do missing = size - this.#poisson(random, counts);
    while (missing < 0);
    for (; missing > 0; missing--) counts[Math.floor(random.uniform() * size)]!++;
  }

  /** Independent counts; returns their sum. */
  #poisson(random: SeededRandom, counts: Uint8Array): number {
    const [bytes, table, undecided] = [this.#bytes, this.#table, this.#undecided];
    random.fill(bytes);
    let total = 0;
    let open = 0;
    for (let i = 0; i < bytes.length; i++) {
      const count = table[bytes[i]!]!;
      counts[i] = count;
      total += count;
      undecided[open] = i; // kept only if it is
      open += count >>> 7;
    }
    total -= UNDECIDED * open;
    for (let k = 0; k < open; k++) {
      const i = undecided[k]!;
      const count = this.#count((bytes[i]! + random.uniform()) / 256);
      counts[i] = count;
      total += count;
    }
    return total;
  }

  #count(uniform: number): number {
    let count = 0;
    while (uniform >= this.cumulative[count]!) count++;
    return count;
  }
}
