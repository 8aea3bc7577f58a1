// The scores of test/fixtures/make_ood_metrics.py, made again from their seeds: only the figures are stored.

/** state ← 1664525 state + 1013904223 mod 2³²; the upper 16 bits are the number. */
export class Lcg {
  #state: number;

  constructor(seed: number) {
    this.#state = seed;
  }

  below(n: number): number {
    this.#state = (Math.imul(this.#state, 1664525) + 1013904223) >>> 0;
    return (this.#state >>> 16) % n;
  }
}

export type Kind = 'constant' | 'perfect' | 'ties' | 'binary' | 'bell' | 'probabilities' | 'saturated' | 'distances';

/** One set's scores; of a known set they are larger. */
export function scoresOf(kind: Kind, random: Lcg, size: number, known: boolean): Float64Array {
  const shift = known ? 1 : 0;
  const each = (score: () => number): Float64Array => Float64Array.from({ length: size }, score);
  const bell = (): number => {
    let sum = 0;
    for (let i = 0; i < 4; i++) sum += random.below(65536);
    return sum / 65536 - 2;
  };
  switch (kind) {
    case 'constant':
      return each(() => 3);
    case 'perfect':
      return each(() => random.below(7) + 10 * shift);
    case 'ties':
      return each(() => random.below(9) + 2 * shift - 4);
    case 'binary':
      return each(() => (random.below(4) < 2 + shift ? 1 : 0));
    case 'bell':
      return each(() => bell() + 0.6 * shift);
    case 'probabilities':
      return each(() => Math.min(1, Math.abs(bell() / 2 + 0.3 * shift)));
    case 'saturated':
      return each(() => 1 - (Math.max(0, halfToEven(8 * (0.9 - shift / 2 - bell()))) / 8) * 1e-9);
    case 'distances':
      return each(() => 40 * (bell() + shift) - 60);
  }
}

/** As NumPy rounds. */
function halfToEven(value: number): number {
  const below = Math.floor(value);
  const rest = value - below;
  return below + (rest > 0.5 || (rest === 0.5 && below % 2 !== 0) ? 1 : 0);
}
