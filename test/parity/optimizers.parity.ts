// Every optimizer of PyTorch's list in every configuration that its generator yields for the CPU: 20 steps in float32 and
// float64, eager and captured, and states over and back.

import { afterAll, expect } from 'vitest';
import { python } from '../support/python.js';
import { needs } from '../support/skip.js';
import { draw, isThere, type Outcome, resumedInPython, run } from './optimizers.js';

const { it } = needs(python, 'a Python that has torch');
const steps = 20;
const rows: string[] = [];

afterAll(() => console.log(`\n${rows.join('\n')}\n`));

it('optimizers of optim_db', async () => {
  const { names, cases } = draw({ steps, dtypes: ['float32', 'float64'], each: 'all' });
  const there = cases.filter(({ name }) => isThere(name));
  const outcomes: Outcome[] = [];
  for (const given of there) outcomes.push(await run(given, steps));
  const back = resumedInPython(there, outcomes);
  const failed = new Map<string, string[]>();
  const worst = new Map<string, number>();
  for (const [i, given] of there.entries()) {
    const { weights, state, resumed, keys, captured } = outcomes[i]!;
    const distances = { weights, state, resumed, inPython: back[i]! };
    for (const distance of Object.values(distances))
      worst.set(`${given.name} ${given.dtype}`, Math.max(distance, worst.get(`${given.name} ${given.dtype}`) ?? 0));
    const wrong = Object.entries(distances).flatMap(([what, distance]) =>
      distance < 1e-6 ? [] : [`${what} ${distance.toExponential(1)}`],
    );
    if (captured === false) wrong.push('captured steps differ');
    if (keys.length > 0) wrong.push(`keys ${keys.join(', ')}`);
    if (wrong.length > 0) failed.set(`${given.name} (${given.desc}, ${given.dtype})`, wrong);
  }
  for (const name of names) {
    const own = there.filter((given) => given.name === name);
    const bad = own.filter(({ desc, dtype }) => failed.has(`${name} (${desc}, ${dtype})`));
    const verdict = own.length === 0 ? 'not there' : bad.length > 0 ? 'failed' : 'passed';
    const far = ['float32', 'float64'].map((dtype) => worst.get(`${name} ${dtype}`)?.toExponential(1)).join(', ');
    rows.push(
      `${name.padEnd(12)} ${verdict.padEnd(9)} ${own.length - bad.length}/${own.length} cases; at most ${far} off`,
    );
  }
  for (const [name, wrong] of failed) rows.push(`  ${name}: ${wrong.join('; ')}`);
  const passed = rows.filter((row) => /^\S+ +passed/.test(row)).length;
  rows.push(`optimizers: ${passed} of ${names.length} passed, ${cases.length} cases`);
  expect(Object.fromEntries(failed)).toEqual({});
  expect(names.filter((name) => !isThere(name))).toEqual([]);
});
