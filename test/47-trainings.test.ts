// The trainings under benchmarks/trainings are their twins in PyTorch, step by step: first values, batches, dropout, losses.

import { expect } from 'vitest';
import { trainings, twin } from '../benchmarks/trainings/index.js';
import { python, runPython } from './support/python.js';
import { needs } from './support/skip.js';

const STEPS = 10;
const names = Object.keys(trainings);

needs(python, 'a Python that has torch').it("ten steps of each training have PyTorch's losses", async () => {
  const code = names.map((name) => `${twin(name, STEPS)}\nall['${name}'] = [step().item() for _ in range(${STEPS})]`);
  const theirs = runPython(`all = {}\n${code.join('\n')}\nemit(all)`) as Record<string, number[]>;
  for (const name of names) {
    const losses = (await trainings[name]!.begin(STEPS).train(STEPS)).tolist() as number[];
    expect(losses.length, name).toBe(STEPS);
    for (const [i, loss] of losses.entries())
      expect(Math.abs(loss / theirs[name]![i]! - 1), `${name}, step ${i}`).toBeLessThan(1e-4);
  }
});
