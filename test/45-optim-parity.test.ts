// A part of `npm run parity`: each optimizer's first and last configuration of PyTorch's list, and all schedules.

import { expect } from 'vitest';
import { draw, run } from './parity/optimizers.js';
import { compareSchedules } from './parity/schedules.js';
import { python } from './support/python.js';
import { needs } from './support/skip.js';

const { it } = needs(python, 'a Python that has torch');

it("optimizers step as PyTorch's do, captured too, and go on from its states", async () => {
  const steps = 6;
  const { names, cases } = draw({ steps, dtypes: ['float32'], each: 'ends' });
  expect(names).toHaveLength(15);
  for (const given of cases) {
    const { weights, state, resumed, keys, captured } = await run(given, steps);
    const what = `${given.name}, ${given.desc}`;
    expect(Math.max(weights, state, resumed), what).toBeLessThan(1e-6);
    expect([keys, captured ?? true], what).toEqual([[], true]);
  }
});

it("schedules give PyTorch's rates and momenta, and go on from its states", () => {
  for (const { name, rates, resumed, keys } of compareSchedules(100, false)) {
    expect(Math.max(rates, resumed), name).toBeLessThan(1e-12);
    expect(keys, name).toEqual([]);
  }
});
