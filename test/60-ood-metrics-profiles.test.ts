// Each profile against an independent Python reference of the peer's definition (test/fixtures/make_ood_metrics.py), digit
// for digit; the definitions on ties worked out by hand; all figures against scikit-learn's on 1,000 cases with ties.

import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { memory } from '../lib/index.js';
import { allMetricsOf, measureAll } from '../lib/ood/metrics/measureAll.js';
import { PROFILE_NAMES, type ProfileName, profile } from '../lib/ood/metrics/profiles/index.js';
import { sum } from '../lib/ood/metrics/profiles/numpy.js';
import { odinOriginal } from '../lib/ood/metrics/profiles/odinOriginal.js';
import { rocCurve } from '../lib/ood/metrics/roc.js';
import { type Kind, Lcg, scoresOf } from './support/seededScores.js';

type Figures = Record<string, number | null>;
interface Golden {
  random: number[][];
  profiles: {
    kind: Kind;
    seed: number;
    sizes: [number, number];
    figures: Record<ProfileName, Figures | null>;
    'odin-original from 0.25 to 0.75': Figures;
  }[];
}

const golden = JSON.parse(readFileSync(new URL('fixtures/oodMetrics.json', import.meta.url), 'utf8')) as Golden;
const tied = fc.array(fc.integer({ min: -4, max: 4 }), { minLength: 1, maxLength: 30 });

/** NaN is null in JSON. */
const stored = (figures: object): Figures =>
  Object.fromEntries(Object.entries(figures).map(([name, value]) => [name, Number.isNaN(value) ? null : value]));

describe.each(golden.profiles)('$kind scores, $sizes', ({ kind, seed, sizes, ...wanted }) => {
  const random = new Lcg(seed);
  const id = scoresOf(kind, random, sizes[0], true);
  const ood = scoresOf(kind, random, sizes[1], false);

  it.each(PROFILE_NAMES.filter((name) => name !== 'pytorch-ood'))('%s to the last digit', (name) => {
    const figures = wanted.figures[name];
    if (figures === null) expect(() => profile(name).measure(id, ood)).toThrow(/equal|all are/);
    else expect(stored(profile(name).measure(id, ood))).toEqual(figures);
  });

  it('pytorch-ood to what float32 sums may differ by between vector units', () => {
    const figures = stored(profile('pytorch-ood').measure(id, ood));
    expect(Object.keys(figures)).toEqual(Object.keys(wanted.figures['pytorch-ood']!));
    for (const [name, value] of Object.entries(wanted.figures['pytorch-ood']!))
      if (value === null) expect(figures[name]).toBeNull();
      else expect(Math.abs(figures[name]! - value)).toBeLessThanOrEqual(2 ** -22);
  });

  it('odin-original in a range of its own', () => {
    expect(stored(odinOriginal(id, ood, { from: 0.25, to: 0.75 }))).toEqual(wanted['odin-original from 0.25 to 0.75']);
  });
});

describe('ties by hand', () => {
  it('isomax-paper takes the known images first: constant scores give 0', () => {
    const { AUROC, TNR, DTACC } = profile('isomax-paper').measure([2, 2], [2]);
    expect([AUROC, TNR, DTACC]).toEqual([0, 0, 0.5]);
    expect(profile('isomax-paper').measure(new Float32Array(50).fill(0.5), new Float32Array(70).fill(0.5)).AUROC).toBe(
      0,
    );
    expect(measureAll([2, 2], [2]).auroc).toBe(0.5);
  });

  it('FPR of OpenOOD 1.5 reads a thinned curve, and may lie beyond the exact point', () => {
    // Scores from the worst: 20 unknown ones alone, so catching 95 % is exact at the 19th; but its points are dropped.
    const ood = Array.from({ length: 20 }, (_, i) => i);
    expect(measureAll([30, 31], ood).fprAtTprOod95).toBe(0);
    expect(profile('openood-1.5').measure([30, 31], ood)['FPR@95']).toBe(0);
    // One known image beside each unknown one: the curve is one straight line, of which the ends alone stay.
    expect(measureAll(ood, ood).fprAtTprOod95).toBe(0.95);
    expect(profile('openood-1.5').measure(ood, ood)['FPR@95']).toBe(1);
  });

  it('OpenOOD turned its positives: 1.0 counts unknown images, 1.5 known ones', () => {
    const id = [9, 8, 7, 1];
    const ood = [5, 4, 3, 2];
    expect(profile('openood-1.0').measure(id, ood)['FPR@95']).toBe(0); // above the third best known one: none
    expect(profile('openood-1.5').measure(id, ood)['FPR@95']).toBe(0.25);
  });

  it('pytorch-ood: large scores become equal in a sigmoid of float32', () => {
    const id = [-20, -21, -22];
    const ood = [-30, -31, -32];
    expect(measureAll(id, ood).auroc).toBe(1);
    expect(profile('pytorch-ood').measure(id, ood).AUROC).toBe(0.5);
    expect(profile('pytorch-ood').measure([-0.2, -0.21], [-0.3, -0.31]).AUROC).toBe(1); // within [0, 1] none is applied
  });

  it('hendrycks takes the recall nearest to 95 %, even below', () => {
    const ood = Array.from({ length: 15 }, (_, i) => i); // recalls 14/15 and 1 are nearest
    expect(profile('hendrycks').measure([14, 20], ood).FPR95).toBe(0);
    expect(measureAll([14, 20], ood).fprAtTprOod95).toBe(0.5);
  });
});

describe('all figures', () => {
  it("equal scikit-learn's on 1,000 random cases with ties", () => {
    const random = new Lcg(5);
    for (const wanted of golden.random) {
      const [nId, nOod, values, shift] = [60, 60, 40, 12].map((n) => random.below(n)) as [
        number,
        number,
        number,
        number,
      ];
      const id = Array.from({ length: nId + 1 }, () => (random.below(values + 1) + shift) / 7);
      const ood = Array.from({ length: nOod + 1 }, () => random.below(values + 1) / 7);
      const all = measureAll(id, ood);
      const openood = profile('openood-1.5').measure(id, ood);
      const got = [
        all.auroc,
        all.averagePrecisionIn,
        all.averagePrecisionOut,
        openood.AUPR_IN, // `auc` of `precision_recall_curve`, which starts at precision 1; ours is tested elsewhere
        openood.AUPR_OUT,
        all.fprAtTprId95,
        all.fprAtTprOod95,
        all.dtacc,
        all.autc,
      ];
      for (const [i, value] of wanted.entries()) expect(Math.abs(got[i]! - value)).toBeLessThan(1e-14);
      expect([all.nId, all.nOod, all.tnrAtTpr95]).toEqual([id.length, ood.length, 1 - all.fprAtTprId95]);
    }
    expect(golden.random.length).toBe(1000);
  });

  it('change places with the sets turned round', () => {
    fc.assert(
      fc.property(tied, tied, (id, ood) => {
        const forward = measureAll(id, ood);
        const turned = measureAll(
          ood.map((x) => -x),
          id.map((x) => -x),
        );
        expect(turned.averagePrecisionIn).toBe(forward.averagePrecisionOut);
        expect(turned.fprAtTprId95).toBeCloseTo(forward.fprAtTprOod95, 14);
        expect(turned.autc).toBeCloseTo(forward.autc, 14);
      }),
    );
  });

  it('depend on the order alone, all but AUTC, and AUTC not on scale and shift', () => {
    fc.assert(
      fc.property(tied, tied, (id, ood) => {
        const { autc, ...order } = measureAll(id, ood);
        const curved = (x: number): number => Math.exp(x) + 2 * x;
        const { autc: other, ...same } = measureAll(id.map(curved), ood.map(curved));
        expect(same).toEqual(order);
        expect(Number.isFinite(other)).toBe(true);
        const linear = (x: number): number => 8 * x - 3;
        expect(measureAll(id.map(linear), ood.map(linear)).autc).toBeCloseTo(autc, 14);
      }),
    );
  });

  it('equal the papers’ five where they are the same', () => {
    const { autc, averagePrecisionIn, averagePrecisionOut, fprAtTprId95, fprAtTprOod95, ...five } = allMetricsOf(
      rocCurve([3, 2, 2, 1], [2, 0]),
    );
    expect(five).toEqual({
      auroc: 0.75,
      tnrAtTpr95: 0.5,
      dtacc: 0.75,
      auprIn: expect.closeTo(0.88125, 12),
      auprOut: expect.closeTo(0.725, 12),
      nId: 4,
      nOod: 2,
    });
    expect([averagePrecisionIn, fprAtTprId95, fprAtTprOod95]).toEqual([expect.closeTo(0.825, 14), 0.5, 0.75]);
    expect(averagePrecisionOut).toBeCloseTo(0.5 + 0.5 * 0.4, 14); // at the 2s: 2 of 5 rejected are unknown
    expect(autc).toBeCloseTo((1 / 3 + 1 / 3) / 2, 14);
  });
});

describe('profiles', () => {
  it('refuse NaN with its index, empty lists and names that are none', () => {
    for (const name of PROFILE_NAMES) {
      expect(() => profile(name).measure([1, 2], [0, Number.NaN])).toThrow(/oodScores.*index 1 \(NaN\)/);
      expect(() => profile(name).measure([], [1])).toThrow(/idScores.*empty/);
    }
    expect(() => profile('openood' as never)).toThrow(/isomax-paper, openood-1.5/);
    expect(() => odinOriginal([1], [2], { from: 1, to: 1 })).toThrow(/from below to/);
    expect(() => odinOriginal([1], [2], { from: Number.NaN })).toThrow(/finite/);
  });

  it('leave no tensors behind', () => {
    const before = memory().tensors;
    for (const name of PROFILE_NAMES) profile(name).measure([3, 2, 1], [1, 0]);
    expect(memory().tensors).toBe(before);
  });

  it('add in NumPy’s order', () => {
    // Ten thousand tenths: one after another they add up to 1000.0000000001588, in NumPy's blocks to this.
    expect(sum(new Float64Array(10_000).fill(0.1))).toBe(999.9999999999999);
  });
});
