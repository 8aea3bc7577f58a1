// Every schedule of `torch.optim.lr_scheduler` and SWALR: rates and momenta of 200 epochs, and states over and back.

import { afterAll, expect } from 'vitest';
import { schedules } from '../../lib/known/schedules.js';
import { python } from '../support/python.js';
import { needs } from '../support/skip.js';
import { compareSchedules, constructed } from './schedules.js';

const { it } = needs(python, 'a Python that has torch');
const rows: string[] = [];

afterAll(() => console.log(`\n${rows.join('\n')}\n`));

it('schedules of lr_scheduler', () => {
  const outcomes = compareSchedules(200);
  const failed: Record<string, string> = {};
  for (const { name, keys, ...distances } of outcomes) {
    const far = Math.max(...Object.values(distances));
    const isGood = far < 1e-12 && keys.length === 0;
    rows.push(`${name.padEnd(38)} ${isGood ? 'passed' : 'failed'}  at most ${far.toExponential(1)} off`);
    if (!isGood) failed[name] = `${JSON.stringify(distances)} ${keys.join(', ')}`;
  }
  rows.push(`schedules: ${outcomes.length - Object.keys(failed).length} of ${outcomes.length} cases passed`);
  expect(failed).toEqual({});
  const names = outcomes.map(({ name }) => name);
  expect(names).toEqual(constructed);
  for (const name of Object.keys(schedules)) expect(names).toContain(name);
});
