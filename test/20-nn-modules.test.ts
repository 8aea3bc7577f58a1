// Every module of PyTorch's own test list beside PyTorch's, in float64 and over the first cases of each: a sample of what
// `npm run parity` does over all cases, in float32 too.

import { expect, it } from 'vitest';
import { differences, drawCases } from './support/moduleDb.js';
import { python, type TensorJson } from './support/python.js';
import { needs } from './support/skip.js';

const { describe: withPython } = needs(python, 'a Python that has torch');

withPython('modules of module_db equal PyTorch', () => {
  const { names, cases } = python ? drawCases({ dtypes: ['float64'], limit: 2 }) : { names: [], cases: [] };

  it('are all there, 114', () => expect(names.length).toBe(114));

  for (const name of names) {
    it(name, () => {
      const list = cases.filter(({ module }) => module === name);
      expect(list.length).toBeGreaterThan(0);
      expect(list.flatMap((one) => differences(one).map((wrong) => `${one.about}: ${wrong}`))).toEqual([]);
    });
  }

  it('what differs is told', () => {
    const one = cases.find(({ module }) => module === 'BatchNorm2d')!;
    const { weight, bias } = one.gradients as { weight: TensorJson; bias: TensorJson };
    expect(differences({ ...one, repr: 'BatchNorm2d()', outputs: [weight] }).join()).toMatch(
      /^prints .*output 0: off by Infinity/s,
    );
    const { running_mean: _, ...first } = one.first;
    expect(differences({ ...one, first }).join()).toMatch(/^has the state keys .*running_mean/);
    expect(differences({ ...one, gradients: { ...one.gradients, weight: bias } }).join()).toMatch(
      /^gradient of weight: off by \d/,
    );
    expect(differences({ ...one, first: { ...one.first, weight: one.first.bias! } })).toEqual([
      'first values of weight',
    ]);
  });
});
