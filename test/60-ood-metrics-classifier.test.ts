// Accuracy, calibration error, likelihood, Brier score and OSCR against PyTorch and NumPy references
// (test/fixtures/make_ood_metrics.py), by hand at the bins' edges, and on input that is wrong.

import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { memory, torch } from '../lib/index.js';
import { accuracy, brier, ece, measureClassifier, nll } from '../lib/ood/metrics/calibration.js';
import { measure } from '../lib/ood/metrics/metrics.js';
import { oscr } from '../lib/ood/metrics/oscr.js';
import { predictions } from '../lib/ood/metrics/predictions.js';
import { Lcg, scoresOf } from './support/seededScores.js';

interface Golden {
  classifier: {
    seed: number;
    n: number;
    classes: number;
    scale: number;
    accuracy: number;
    ece: number;
    nll: number;
    brier: number;
  }[];
  oscr: { seed: number; sizes: [number, number]; oscr: number }[];
}

const golden = JSON.parse(readFileSync(new URL('fixtures/oodMetrics.json', import.meta.url), 'utf8')) as Golden;

describe('classifier', () => {
  it.each(golden.classifier)('$n × $classes logits, scale $scale', ({ seed, n, classes, scale, ...wanted }) => {
    const random = new Lcg(seed);
    const rows = Array.from({ length: n }, () =>
      Array.from({ length: classes }, () => (random.below(2001) / 100 - 10) * scale),
    );
    const labels = rows.map((row) => (random.below(3) === 0 ? random.below(classes) : row.indexOf(Math.max(...row))));
    const before = memory().tensors;
    const plain = measureClassifier({ logits: rows.flat() }, labels);
    for (const [name, value] of Object.entries(wanted)) expect(plain[name as 'nll']).toBeCloseTo(value, 12);
    expect(plain.n).toBe(n);
    const logits = torch.tensor(rows, { dtype: 'float64' });
    const classesOf = torch.tensor(labels, { dtype: 'int64' });
    expect(measureClassifier({ logits }, classesOf)).toEqual(plain);
    const given = predictions({ probabilities: predictions({ logits }, labels).probabilities }, labels);
    expect(accuracy(given)).toBe(plain.accuracy);
    expect(brier(given)).toBe(plain.brier);
    if (scale < 1) expect(nll(given)).toBeCloseTo(plain.nll, 12);
    logits.dispose();
    classesOf.dispose();
    expect(memory().tensors).toBe(before);
  });

  it('is the example of the docs', () => {
    expect(measureClassifier({ probabilities: [0.8, 0.2, 0.4, 0.6] }, [0, 0])).toEqual({
      accuracy: 0.5,
      ece: expect.closeTo(0.4, 14),
      nll: expect.closeTo(-Math.log(0.32) / 2, 14),
      brier: expect.closeTo(0.4, 14),
      n: 2,
    });
  });

  it('puts a confidence at an edge into the bin below it', () => {
    // Bins (½, ¾] and (¾, 1]: ¾ right and 0.7 wrong share one, |1 − 0.75 − 0.7| / 2; in bins [lo, hi) they would not.
    const shared = predictions({ probabilities: [0.75, 0.25, 0.7, 0.3] }, [0, 1]);
    expect(ece(shared, 4)).toBeCloseTo(0.225, 14);
    // 25 · 0.56 rounds to more than 14, and 15 times the next double after 11/15 to 11: the edges are b / bins all the same.
    const low = predictions({ probabilities: [0.56, 0.44, 0.555, 0.445] }, [0, 1]);
    expect(ece(low, 25)).toBeCloseTo(0.0575, 12);
    const after = 11 / 15 + 2 ** -53;
    const high = predictions({ probabilities: [after, 1 - after, 0.74, 0.26] }, [0, 1]);
    expect(ece(high)).toBeCloseTo(Math.abs(1 - after - 0.74) / 2, 12);
    // All edges of 15 bins, as floating point has them.
    for (let edge = 8; edge <= 15; edge++) {
      const p = edge / 15;
      const just = predictions({ probabilities: [p, 1 - p, p - 1e-9, 1 - p + 1e-9] }, [0, 1]);
      expect(ece(just)).toBeCloseTo(Math.abs(1 - 2 * p) / 2, 8);
    }
  });

  it('likelihood stays finite where the probability underflows, and is infinite for a probability of 0', () => {
    expect(measureClassifier({ logits: [0, 2000] }, [0]).nll).toBe(2000);
    expect(measureClassifier({ probabilities: [0, 1] }, [0]).nll).toBe(Number.POSITIVE_INFINITY);
  });

  it('counts the first of equal largest probabilities', () => {
    expect(measureClassifier({ logits: [1, 1] }, [0]).accuracy).toBe(1);
    expect(measureClassifier({ logits: [1, 1] }, [1]).accuracy).toBe(0);
  });

  it('names what is wrong and where', () => {
    const wrong: [() => unknown, RegExp][] = [
      [
        () => predictions({ logits: [1, 2, Number.NaN, 0] }, [0, 1]),
        /finite numbers in logits but one at index 2 is NaN/,
      ],
      [
        () => predictions({ probabilities: [0.5, 0.4] }, [0]),
        /add up to 1 in probabilities but the sum of a row at index 0 is 0.9/,
      ],
      [
        () => predictions({ probabilities: [1.5, -0.5] }, [0]),
        /no negative numbers in probabilities but one at index 1/,
      ],
      [() => predictions({ logits: [1, 2] }, [2]), /classes from 0 to 1 in labels but one at index 0 is 2/],
      [() => predictions({ logits: [1, 2] }, [0.5]), /labels/],
      [() => predictions({ logits: [1, 2, 3] }, [0, 1]), /logits \[N, C\] and labels \[N\].*3 numbers and 2 labels/],
      [() => predictions({ logits: [] }, []), /N and C at least 1/],
      [() => predictions({ logits: ['1'] as never }, [0]), /logits\[0\]/],
      [() => predictions({ logits: null as never }, [0]), /logits/],
      [() => ece(predictions({ logits: [1, 2] }, [0]), 0), /positive integer/],
    ];
    for (const [run, message] of wrong) expect(run).toThrow(message);
    const flat = torch.ones([6]);
    expect(() => predictions({ logits: flat }, [0, 1])).toThrow(/received \[6\]/);
    flat.dispose();
  });
});

describe('oscr', () => {
  it.each(golden.oscr)('of $sizes equals the count at every threshold', ({ seed, sizes, oscr: wanted }) => {
    const random = new Lcg(seed);
    const id = scoresOf('ties', random, sizes[0], true);
    const ood = scoresOf('ties', random, sizes[1], false);
    const right = Array.from({ length: sizes[0] }, () => random.below(4) > 0);
    expect(oscr(id, right, ood)).toBeCloseTo(wanted, 14);
  });

  it('by hand, and at its ends', () => {
    expect(oscr([3, 2, 1], [1, 1, 0], [2, 0])).toBeCloseTo(3.5 / 6, 15);
    expect(oscr([3, 2], [false, false], [1])).toBe(0);
    fc.assert(
      fc.property(fc.array(fc.nat(5), { minLength: 1 }), fc.array(fc.nat(5), { minLength: 1 }), (id, ood) => {
        expect(oscr(id, Array(id.length).fill(1), ood)).toBe(measure(id, ood).auroc);
      }),
    );
  });

  it('refuses what does not fit', () => {
    expect(() => oscr([1, 2], [1], [0])).toThrow(/each of the 2 known scores/);
    expect(() => oscr([1, 2], [1, 2], [0])).toThrow(/correct\[1\]/);
    expect(() => oscr([1], [0], [Number.NaN])).toThrow(/oodScores.*index 0/);
  });
});
