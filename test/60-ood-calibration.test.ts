// Temperatures against SciPy's, and what must hold whatever the logits are.

import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { calibrationError, likelihood } from '../lib/ood/calibration/objectives.js';
import { type Arrays, arrays, ece, fitTemperature, predictions } from '../lib/ood/index.js';
import { memory, torch } from '../lib/tensor/index.js';

interface Case {
  name: string;
  logits: number[][];
  labels: number[];
  temperature: number;
  nll: [number, number];
  ece: [number, number];
  leastEce: number;
}

const { temperatures: golden } = JSON.parse(
  readFileSync(new URL('./fixtures/thresholds.json', import.meta.url), 'utf8'),
) as { temperatures: Case[] };

let before: number;
beforeEach(() => {
  before = memory().tensors;
});
afterEach(() => expect(memory().tensors).toBe(before));

async function withArrays<T>(logits: number[][], labels: number[], use: (heldOut: Arrays) => Promise<T>): Promise<T> {
  using z = torch.tensor(logits, { dtype: 'float64' });
  using y = torch.tensor(labels, { dtype: 'int64' });
  return await use(arrays({ name: 'held-out', logits: z, labels: y }));
}

describe('the calibration error', () => {
  it('has bins (lo, hi] with edges b / bins, in chunks of tensors as of plain numbers', async () => {
    // Largest probabilities that are 1/2, 1/3, … to the last bit, on the edges of many numbers of bins, and others beside.
    const onEdges = [2, 3, 4, 5, 6, 8, 10, 15].map((classes) =>
      Array.from({ length: 16 }, (_, c) => (c < classes ? 0 : -800)),
    );
    torch.manualSeed(5);
    using random = torch.randn([60, 16], { dtype: 'float64' });
    const logits = [...onEdges, ...onEdges, ...(random.tolist() as number[][])];
    const labels = logits.map((_, i) => (i * 5) % 4);
    const { confidence, correct, n } = predictions({ logits: logits.flat() }, labels);
    expect(Array.from(confidence.subarray(0, 4))).toEqual([1 / 2, 1 / 3, 1 / 4, 1 / 5]);
    for (let bins = 1; bins <= 30; bins++) {
      let error = 0;
      for (let b = 0; b < bins; b++) {
        const inside = [...confidence.keys()].filter(
          (i) => confidence[i]! > b / bins && confidence[i]! <= (b + 1) / bins,
        );
        error += Math.abs(inside.reduce((sum, i) => sum + correct[i]! - confidence[i]!, 0)) / n;
      }
      expect(ece(predictions({ logits: logits.flat() }, labels), bins)).toBeCloseTo(error, 12);
      expect(await withArrays(logits, labels, (heldOut) => calibrationError(heldOut, 1, bins))).toBeCloseTo(error, 12);
    }
  });
});

describe('by likelihood', () => {
  it.each(golden.map((each) => [each.name, each] as const))("finds SciPy's temperature: %s", async (_, each) => {
    const result = await withArrays(each.logits, each.labels, (heldOut) => fitTemperature(heldOut));
    expect(Math.abs(result.temperature / each.temperature - 1)).toBeLessThan(1e-10);
    const [nllBefore, nllAfter] = each.nll;
    expect(result.nll.before).toBeCloseTo(nllBefore, 12);
    expect(result.nll.after).toBeCloseTo(nllAfter, 12);
    expect(result.ece.before).toBeCloseTo(each.ece[0], 12);
    expect(result.ece.after).toBeCloseTo(each.ece[1], 8);
    expect(result).toMatchObject({ by: 'nll', n: each.labels.length });
  });

  it('gives the same bits twice, and 1/c times the temperature for logits divided by c', async () => {
    const { logits, labels, temperature } = golden[0]!;
    const fit = (factor: number) =>
      withArrays(
        logits.map((row) => row.map((z) => z * factor)),
        labels,
        (heldOut) => fitTemperature(heldOut),
      );
    expect((await fit(1)).temperature).toBe((await fit(1)).temperature);
    expect((await fit(0.25)).temperature).toBeCloseTo(temperature / 4, 10);
    expect((await fit(16)).temperature).toBeCloseTo(temperature * 16, 8);
  });

  it('has the slope and the curvature of its own values', async () => {
    const { logits, labels } = golden[2]!;
    await withArrays(logits, labels, async (heldOut) => {
      const h = 1e-4;
      const at = (beta: number) => likelihood(heldOut, beta);
      const [low, middle, high] = [await at(0.7 - h), await at(0.7), await at(0.7 + h)];
      expect((high.nll - low.nll) / (2 * h)).toBeCloseTo(middle.slope, 7);
      expect((high.slope - low.slope) / (2 * h)).toBeCloseTo(middle.curvature, 7);
    });
  });

  it('says why there is none', async () => {
    const fit = (logits: number[][], labels: number[]) =>
      withArrays(logits, labels, (heldOut) => fitTemperature(heldOut));
    const right = [
      [3, 0],
      [0, 3],
    ];
    await expect(fit(right, [0, 1])).rejects.toMatchObject({ code: 'ERR_DATA', message: /right, whatever/ });
    await expect(fit(right, [1, 0])).rejects.toMatchObject({ code: 'ERR_DATA', message: /say nothing/ });
    await expect(fit([[1, Number.NaN]], [0])).rejects.toMatchObject({ code: 'ERR_DATA', message: /row 0/ });
    await expect(fit(right, [0, 2])).rejects.toMatchObject({ code: 'ERR_DATA', message: /0 to 1, received 0 to 2/ });
    using logits = torch.zeros([2, 2]);
    await expect(fitTemperature(arrays({ logits }))).rejects.toMatchObject({ code: 'ERR_ARGUMENT', message: /labels/ });
    await expect(fitTemperature(arrays({ logits }), { by: 'brier' as 'nll' })).rejects.toThrow(/'nll' or 'ece'/);
  });
});

describe('by calibration error', () => {
  it.each(golden.map((each) => [each.name, each] as const))('is as good as a fine search: %s', async (_, each) => {
    const result = await withArrays(each.logits, each.labels, (heldOut) => fitTemperature(heldOut, { by: 'ece' }));
    // Piecewise smooth with jumps: no search is perfect, and 4,001 points are a good one.
    expect(result.ece.after).toBeLessThanOrEqual(each.leastEce + 0.01);
    expect(result.ece.after).toBeLessThanOrEqual(result.ece.before);
    expect(result.by).toBe('ece');
  });

  it('is never worse than T = 1', async () => {
    const row = fc.array(fc.float({ min: -20, max: 20, noNaN: true }), { minLength: 3, maxLength: 3 });
    const held = fc.array(fc.tuple(row, fc.integer({ min: 0, max: 2 })), { minLength: 1, maxLength: 12 });
    await fc.assert(
      fc.asyncProperty(held, async (pairs) => {
        const { ece, temperature } = await withArrays(
          pairs.map(([logits]) => logits),
          pairs.map(([, label]) => label),
          (heldOut) => fitTemperature(heldOut, { by: 'ece' }),
        );
        expect(ece.after).toBeLessThanOrEqual(ece.before);
        expect(temperature).toBeGreaterThan(0.001);
        expect(temperature).toBeLessThan(100);
      }),
      { numRuns: 15 },
    );
  });

  it('puts a confidence on a bin’s upper edge into that bin', async () => {
    // Two equal logits: confidence ½, in (7/15, 8/15]; certain ones: 1, in the last bin.
    const at = (logits: number[][], labels: number[]) =>
      withArrays(logits, labels, (heldOut) => calibrationError(heldOut, 1, 15));
    expect(await at([[0, 0]], [0])).toBeCloseTo(0.5, 15);
    expect(
      await at(
        [
          [0, 0],
          [0, 0],
        ],
        [0, 1],
      ),
    ).toBeCloseTo(0, 15);
    expect(
      await at(
        [
          [1000, 0],
          [0, 1000],
        ],
        [0, 1],
      ),
    ).toBe(0);
    expect(await withArrays([[0, 0]], [1], (heldOut) => calibrationError(heldOut, 1, 2))).toBeCloseTo(0.5, 15);
  });
});
