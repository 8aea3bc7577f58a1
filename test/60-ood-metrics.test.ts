// The metrics against scikit-learn's figures, against a naive count of pairs and thresholds, and against the definitions
// in the IsoMax papers' code on scores without ties.

import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { IsotorchError } from '../lib/errors.js';
import { measure, metricsOf, thresholdAtTpr, tnrAtTpr } from '../lib/ood/metrics/metrics.js';
import { rocCurve, thinRoc } from '../lib/ood/metrics/roc.js';

interface Golden {
  name: string;
  id: number[];
  ood: number[];
  auroc: number;
  tnrAtTpr95: number;
  thresholdAtTpr95: number;
  dtacc: number;
  auprIn: number;
  auprOut: number;
  best: [number, number];
  worst: [number, number];
}

const golden = JSON.parse(readFileSync(new URL('fixtures/metrics.json', import.meta.url), 'utf8')) as Golden[];

/** Few distinct values make ties; `distinct` lists make none, within a list or across the two. */
const tied = fc.array(fc.integer({ min: -4, max: 4 }), { minLength: 1, maxLength: 30 });
const real = fc.array(fc.double({ noNaN: true, min: -1e6, max: 1e6 }), { minLength: 1, maxLength: 30 });
const scores = fc.oneof(tied, real);
const distinct = fc
  .uniqueArray(fc.integer({ min: -1e6, max: 1e6 }), { minLength: 2, maxLength: 80 })
  .chain((values) => fc.tuple(fc.constant(values), fc.integer({ min: 1, max: values.length - 1 })))
  .map(([values, cut]) => [values.slice(0, cut), values.slice(cut)] as const);

describe('against scikit-learn', () => {
  it.each(golden)('$name', (expectation) => {
    const { id, ood } = expectation;
    const metrics = measure(id, ood);
    expect(metrics.auroc).toBeCloseTo(expectation.auroc, 12);
    expect(metrics.tnrAtTpr95).toBeCloseTo(expectation.tnrAtTpr95, 12);
    expect(metrics.dtacc).toBeCloseTo(expectation.dtacc, 12);
    expect(thresholdAtTpr(rocCurve(id, ood), 0.95)).toBe(expectation.thresholdAtTpr95);
    // scikit-learn's curve starts at precision 1 whatever the first group's precision is, ours with that precision. The
    // areas differ by the triangle in between, which is empty unless the extreme score is shared by both kinds.
    const triangle = (positives: number, negatives: number, total: number): number =>
      (positives / total) * (1 - positives / (positives + negatives)) * 0.5;
    const [bestId, bestOod] = expectation.best;
    const [worstId, worstOod] = expectation.worst;
    expect(metrics.auprIn).toBeCloseTo(expectation.auprIn - triangle(bestId, bestOod, id.length), 12);
    expect(metrics.auprOut).toBeCloseTo(expectation.auprOut - triangle(worstOod, worstId, ood.length), 12);
    expect([metrics.nId, metrics.nOod]).toEqual([id.length, ood.length]);
  });
});

describe('definitions', () => {
  it('counts pairs: a tie is half', () => {
    // The example of docs/metrics.md.
    expect(measure([3, 2, 2, 1], [2, 0])).toEqual({
      auroc: 0.75,
      tnrAtTpr95: 0.5,
      dtacc: 0.75,
      auprIn: expect.closeTo(0.88125, 12),
      auprOut: expect.closeTo(0.725, 12),
      nId: 4,
      nOod: 2,
    });
  });

  it('gives a detector that says nothing the figures of chance, not 0', () => {
    expect(measure(new Float32Array(30).fill(1), new Float32Array(10).fill(1))).toEqual({
      auroc: 0.5,
      tnrAtTpr95: 0,
      dtacc: 0.5,
      auprIn: 0.75,
      auprOut: 0.25,
      nId: 30,
      nOod: 10,
    });
  });

  it('gives a perfect detector 1 everywhere', () => {
    const { nId, nOod, ...figures } = measure([2, 3], [0, 1, 1]);
    expect(Object.values(figures)).toEqual([1, 1, 1, 1, 1]);
    expect([nId, nOod]).toEqual([2, 3]);
  });

  it('keeps at least 95 % of the known images, and a group of equal scores whole', () => {
    const id = Float64Array.from({ length: 100 }, (_, i) => i);
    // 95 known images score 5 or more; 5 itself is the threshold, so 5 of the 10 unknown ones (0 … 4) are rejected.
    const ood = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];
    expect(tnrAtTpr(rocCurve(id, ood), 0.95)).toBe(0.5);
    expect(thresholdAtTpr(rocCurve(id, ood), 0.95)).toBe(5);
    // Now the lowest 10 known images are equal: no threshold keeps 95 %, so all are kept.
    const grouped = id.map((score) => Math.max(score, 10));
    expect(thresholdAtTpr(rocCurve(grouped, [9, 10, 11]), 0.95)).toBe(10);
    expect(tnrAtTpr(rocCurve(grouped, [9, 10, 11]), 0.95)).toBeCloseTo(1 / 3, 15);
  });

  it('reaches the level where tpr is the level up to rounding', () => {
    for (const n of [20, 40, 60, 1000, 10_000, 26_020]) {
      const id = Float64Array.from({ length: n }, (_, i) => i);
      expect(thresholdAtTpr(rocCurve(id, [0]), 0.95)).toBe(n - Math.round(0.95 * n));
    }
  });

  it('is fast: 2 × 200,000 scores in typed arrays', () => {
    const random = (shift: number) =>
      Float64Array.from({ length: 200_000 }, (_, i) => Math.sin(i * 12.9898 + shift) + shift);
    const started = performance.now();
    expect(measure(random(0.2), random(0)).auroc).toBeGreaterThan(0.5);
    expect(performance.now() - started).toBeLessThan(3000);
  });

  it('does not touch its arguments', () => {
    const id = new Float64Array([3, 1, 2]);
    measure(id, [5, 4]);
    expect([...id]).toEqual([3, 1, 2]);
  });
});

describe('properties', () => {
  it('equals the count over all pairs and all thresholds', () => {
    fc.assert(
      fc.property(scores, scores, (id, ood) => {
        const naive = naively(id, ood);
        const metrics = measure(id, ood);
        for (const [name, value] of Object.entries(naive))
          expect(metrics[name as keyof typeof naive]).toBeCloseTo(value, 12);
      }),
    );
  });

  it('depends on the order of scores alone', () => {
    fc.assert(
      fc.property(tied, tied, (id, ood) => {
        const curved = (x: number): number => Math.atan(x) * 7 - 3;
        expect(measure(id.map(curved), ood.map(curved))).toEqual(measure(id, ood));
        expect(measure([...id].reverse(), [...ood].sort())).toEqual(measure(id, ood));
      }),
    );
  });

  it('is symmetric: exchanging the sets and turning the scores exchanges auprIn and auprOut', () => {
    fc.assert(
      fc.property(scores, scores, (id, ood) => {
        const forward = measure(id, ood);
        const turned = measure(
          ood.map((x) => -x),
          id.map((x) => -x),
        );
        expect(turned.auroc).toBeCloseTo(forward.auroc, 12);
        expect(turned.dtacc).toBeCloseTo(forward.dtacc, 12);
        expect(turned.auprIn).toBeCloseTo(forward.auprOut, 12);
        expect(turned.auprOut).toBeCloseTo(forward.auprIn, 12);
        expect(measure(ood, id).auroc).toBeCloseTo(1 - forward.auroc, 12);
      }),
    );
  });

  it("agrees with the papers' code where no scores tie", () => {
    fc.assert(
      fc.property(distinct, ([id, ood]) => {
        const paper = asPublished(id, ood);
        const metrics = measure(id, ood);
        expect(metrics.auroc).toBeCloseTo(paper.auroc, 10);
        expect(metrics.dtacc).toBeCloseTo(paper.dtacc, 10);
        // Their curves start at precision 0 instead of the first point's precision.
        expect(metrics.auprIn - paper.auprIn).toBeGreaterThanOrEqual(-1e-12);
        expect(metrics.auprIn - paper.auprIn).toBeLessThanOrEqual(0.5 / id.length + 1e-12);
        expect(metrics.auprOut - paper.auprOut).toBeLessThanOrEqual(0.5 / ood.length + 1e-12);
        if (id.length % 20 !== 0) return;
        // Same known images kept; the unknown ones that fall between two neighbouring known ones are the difference.
        const ascending = [...id].sort((a, b) => a - b);
        const [below, above] = [ascending[id.length / 20 - 1]!, ascending[id.length / 20]!];
        const between = ood.filter((x) => x > below && x < above).length;
        expect(metrics.tnrAtTpr95 - paper.tnrAtTpr95).toBeCloseTo(between / ood.length, 10);
      }),
      { numRuns: 500 },
    );
  });

  it('thins a curve without moving it', () => {
    fc.assert(
      fc.property(scores, scores, fc.double({ min: 0.01, max: 0.5, noNaN: true }), (id, ood, resolution) => {
        const roc = rocCurve(id, ood);
        const { fpr, tpr } = thinRoc(roc, resolution);
        expect([fpr[0], tpr[0], fpr.at(-1), tpr.at(-1)]).toEqual([0, 0, 1, 1]);
        const kept = new Set(fpr.map((x, i) => `${x} ${tpr[i]}`));
        expect(kept.size).toBe(fpr.length);
        for (let i = 0; i < roc.thresholds.length; i++) {
          const [x, y] = [roc.oodAccepted[i]! / roc.nOod, roc.idAccepted[i]! / roc.nId];
          const nearest = Math.min(...fpr.map((keptX, k) => Math.abs(keptX - x) + Math.abs(tpr[k]! - y)));
          expect(nearest).toBeLessThan(resolution);
          if (i === 0) continue;
          const [x0, y0] = [roc.oodAccepted[i - 1]! / roc.nOod, roc.idAccepted[i - 1]! / roc.nId];
          if (x + y - (x0 + y0) >= resolution)
            expect([kept.has(`${x0} ${y0}`), kept.has(`${x} ${y}`)]).toEqual([true, true]);
        }
      }),
    );
    const many = Float64Array.from({ length: 10_000 }, (_, i) => Math.sin(i));
    expect(
      thinRoc(
        rocCurve(
          many,
          many.map((x) => x - 0.3),
        ),
      ).fpr.length,
    ).toBeLessThan(810);
  });
});

describe('wrong scores', () => {
  const codeOf = (run: () => unknown): unknown => {
    try {
      run();
    } catch (error) {
      if (error instanceof IsotorchError) return { code: error.code, message: error.message };
      throw error;
    }
    return 'no error';
  };

  it('names list, count and first index of NaN', () => {
    expect(codeOf(() => measure([1, 2, 3], [0, Number.NaN, 1, Number.NaN]))).toEqual({
      code: 'ERR_DATA',
      message: expect.stringMatching(/oodScores but 2 of 4 are not, the first at index 1 \(NaN\)/),
    });
  });

  it('refuses infinities of either sign, in any kind of array', () => {
    for (const bad of [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])
      for (const list of [[0, bad], new Float32Array([0, bad]), new Float64Array([0, bad])])
        expect(codeOf(() => measure(list, [0]))).toMatchObject({
          code: 'ERR_DATA',
          message: expect.stringMatching(/idScores.*index 1/),
        });
  });

  it('refuses empty lists and what is no list of numbers', () => {
    expect(codeOf(() => measure([], [1]))).toMatchObject({
      code: 'ERR_DATA',
      message: expect.stringMatching(/idScores.*empty/),
    });
    expect(codeOf(() => measure([1], new Float64Array(0)))).toMatchObject({
      code: 'ERR_DATA',
      message: expect.stringMatching(/oodScores/),
    });
    for (const wrong of [null, undefined, 7, 'abc', {}, ['1'], [null], new BigInt64Array(2)])
      expect(codeOf(() => measure(wrong as never, [1]))).toMatchObject({
        code: 'ERR_ARGUMENT',
        message: expect.stringMatching(/idScores/),
      });
  });

  it('refuses a level or a resolution that is no fraction', () => {
    const roc = rocCurve([1], [0]);
    for (const level of [0, -1, 1.01, Number.NaN]) {
      expect(codeOf(() => tnrAtTpr(roc, level))).toMatchObject({ code: 'ERR_ARGUMENT' });
      expect(codeOf(() => thinRoc(roc, level))).toMatchObject({ code: 'ERR_ARGUMENT' });
    }
    expect(metricsOf(roc).auroc).toBe(1);
  });
});

/** Every pair and every threshold, straight from the definitions: O(n²). */
function naively(id: readonly number[], ood: readonly number[]) {
  let won = 0;
  for (const a of id) for (const b of ood) won += a > b ? 1 : a === b ? 0.5 : 0;
  const thresholds = [
    Number.POSITIVE_INFINITY,
    ...[...new Set([...id, ...ood].map((x) => x + 0))].sort((a, b) => b - a),
  ];
  const points = thresholds.map((t) => ({
    tp: id.filter((x) => x >= t).length,
    fp: ood.filter((x) => x >= t).length,
  }));
  const reaching = points.filter(({ tp }) => 20 * tp >= 19 * id.length);
  const area = (pairs: { recall: number; precision: number }[]): number =>
    pairs.reduce((sum, { recall, precision }, i) => {
      const before = pairs[i - 1] ?? { recall: 0, precision };
      return sum + ((recall - before.recall) * (precision + before.precision)) / 2;
    }, 0);
  return {
    auroc: won / (id.length * ood.length),
    tnrAtTpr95: Math.max(...reaching.map(({ fp }) => 1 - fp / ood.length)),
    dtacc: Math.max(...points.map(({ tp, fp }) => (tp / id.length + 1 - fp / ood.length) / 2)),
    auprIn: area(points.slice(1).map(({ tp, fp }) => ({ recall: tp / id.length, precision: tp / (tp + fp) }))),
    auprOut: area(
      points
        .slice(0, -1)
        .reverse()
        .map(({ tp, fp }) => {
          const [found, wrong] = [ood.length - fp, id.length - tp];
          return { recall: found / ood.length, precision: found / (found + wrong) };
        }),
    ),
  };
}

/** The papers' definitions as design documents tell them: remove one image at a time, lowest score first. */
function asPublished(id: readonly number[], ood: readonly number[]) {
  const removals = [...id.map((x) => ({ x, known: 1 })), ...ood.map((x) => ({ x, known: 0 }))].sort(
    (a, b) => a.x - b.x,
  );
  const curve = [{ tp: id.length, fp: ood.length }];
  for (const { known } of removals) {
    const { tp, fp } = curve.at(-1)!;
    curve.push({ tp: tp - known, fp: fp - (1 - known) });
  }
  const tpr = curve.map(({ tp }) => tp / id.length);
  const fpr = curve.map(({ fp }) => fp / ood.length);
  const trapezoid = (x: number[], y: number[]): number =>
    Math.abs(x.slice(1).reduce((sum, value, i) => sum + ((value - x[i]!) * (y[i]! + y[i + 1]!)) / 2, 0));
  const nearest = tpr.map((rate) => Math.abs(rate - 0.95));
  const ins = curve.filter(({ tp, fp }) => tp + fp > 0);
  const outs = curve.filter(({ tp, fp }) => id.length - tp + ood.length - fp > 0);
  return {
    auroc: trapezoid(
      tpr,
      fpr.map((rate) => 1 - rate),
    ),
    dtacc: Math.max(...tpr.map((rate, i) => (rate + 1 - fpr[i]!) / 2)),
    tnrAtTpr95: 1 - fpr[nearest.indexOf(Math.min(...nearest))]!,
    auprIn: trapezoid([...ins.map(({ tp }) => tp / id.length), 0], [...ins.map(({ tp, fp }) => tp / (tp + fp)), 0]),
    auprOut: trapezoid(
      [0, ...outs.map(({ fp }) => 1 - fp / ood.length)],
      [0, ...outs.map(({ tp, fp }) => (ood.length - fp) / (id.length - tp + ood.length - fp))],
    ),
  };
}
