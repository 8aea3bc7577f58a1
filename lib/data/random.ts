// Random numbers for shuffles, splits, augmentations and synthetic sets. A stream is named by a purpose and some
// integers, `new SeededRandom('shuffle', seed, epoch)`, and gives the same values on every machine, device and
// LibTorch version, whatever else has drawn numbers: the global generators of LibTorch are never touched.
// Generator: xoshiro128** (Blackman & Vigna, "Scrambled linear pseudorandom number generators", 2021).

import { wholeNumber } from '../arguments.js';
import { expected } from '../errors.js';

const TWO_32 = 2 ** 32;

/** Mixes 32 bits so that each input bit moves about half of the output bits (the finalizer of MurmurHash3). */
function mix(word: number): number {
  let h = word;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

export class SeededRandom {
  readonly #state = new Uint32Array([0x9e3779b9, 0x243f6a88, 0xb7e15162, 0x6a09e667]);

  /** @param purpose keeps streams with the same numbers apart; @param key integers from 0 to 2^53 − 1 */
  constructor(purpose: string, ...key: readonly number[]) {
    for (const character of purpose) this.#absorb(character.codePointAt(0)!);
    key.forEach((part, i) => {
      wholeNumber(part, i === 0 ? 'seed' : `key[${i}]`, 0);
      this.#absorb(part % TWO_32);
      this.#absorb(Math.floor(part / TWO_32));
    });
    if (this.#state.every((word) => word === 0)) this.#state[0] = 1; // the one state that xoshiro can't leave
    for (let i = 0; i < 8; i++) this.uint32();
  }

  // Each of the four words sees the part in another way, so that streams differ in 128 bits and not in 32.
  #absorb(part: number): void {
    const s = this.#state;
    for (let i = 0; i < 4; i++) s[i] = mix(s[i]! + Math.imul(part + 1, 0x9e3779b1 + 2 * i) + s[(i + 1) & 3]!);
  }

  /** The generator's four words as they are, for native code that goes on from here. */
  get state(): Int32Array {
    return Int32Array.from(this.#state);
  }

  /** An integer, uniform over 0 … 2^32 − 1. */
  uint32(): number {
    const s = this.#state;
    const s1 = s[1]!;
    const product = Math.imul(s1, 5);
    const result = Math.imul((product << 7) | (product >>> 25), 9) >>> 0;
    s[2]! ^= s[0]!;
    s[3]! ^= s1;
    s[1]! ^= s[2]!;
    s[0]! ^= s[3]!;
    s[2]! ^= s1 << 9;
    s[3] = (s[3]! << 11) | (s[3]! >>> 21);
    return result;
  }

  /** An integer, uniform over 0 … n − 1 without modulo bias; n from 1 to 2^32. */
  below(n: number): number {
    if (!(n >= 1 && n <= TWO_32)) throw expected('a whole number from 1 to 2^32', 'n', n);
    const limit = TWO_32 - (TWO_32 % n);
    let draw = this.uint32();
    while (draw >= limit) draw = this.uint32();
    return draw % n;
  }

  /** A number, uniform over [0, 1), in steps of 2^−32. */
  uniform(): number {
    return this.uint32() / TWO_32;
  }

  /** Shuffles in place (Fisher–Yates) and returns its argument. */
  shuffle<T extends Int32Array | Uint8Array | number[]>(items: T): T {
    for (let i = items.length - 1; i > 0; i--) {
      const j = this.below(i + 1);
      const held = items[i]!;
      items[i] = items[j]!;
      items[j] = held;
    }
    return items;
  }

  /** 0 … n − 1 in random order. */
  permutation(n: number): Int32Array {
    const order = new Int32Array(n);
    for (let i = 0; i < n; i++) order[i] = i;
    return this.shuffle(order);
  }

  /** Fills with uniform bytes, four a draw, low byte first on every machine. */
  fill(bytes: Uint8Array): Uint8Array {
    // The generator once more, with its state in local variables: three times as fast as calls of `uint32`.
    let [s0, s1, s2, s3] = this.#state as unknown as [number, number, number, number];
    for (let i = 0; i < bytes.length; i += 4) {
      const product = Math.imul(s1, 5);
      const draw = Math.imul((product << 7) | (product >>> 25), 9);
      const shifted = s1 << 9;
      s2 ^= s0;
      s3 ^= s1;
      s1 ^= s2;
      s0 ^= s3;
      s2 ^= shifted;
      s3 = (s3 << 11) | (s3 >>> 21);
      bytes[i] = draw;
      bytes[i + 1] = draw >>> 8; // writes beyond the end are ignored
      bytes[i + 2] = draw >>> 16;
      bytes[i + 3] = draw >>> 24;
    }
    this.#state.set([s0, s1, s2, s3]);
    return bytes;
  }
}
