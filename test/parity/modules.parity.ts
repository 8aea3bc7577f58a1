// `npm run parity`: every module of PyTorch's own list (module_db) beside ours, in float32 and float64, over all cases that
// PyTorch's own generators draw: print, state keys, first values from one seed, outputs, gradients, and the state after it.
// It ends with a table of what passed, what failed and what is not there.

import { afterAll, describe, expect, it } from 'vitest';
import { differences, drawCases, isThere, type ModuleCase } from '../support/moduleDb.js';
import { python } from '../support/python.js';

const { names, cases } = python ? drawCases({ dtypes: ['float32', 'float64'] }) : { names: [], cases: [] };
const casesOf = (name: string): ModuleCase[] => cases.filter(({ module }) => module === name);
const verdicts = new Map<string, string>();

describe.skipIf(!python)('modules of module_db', () => {
  for (const name of names) {
    const list = casesOf(name);
    it(`${name}: ${list.length} cases`, () => {
      if (!isThere(name)) verdicts.set(name, 'not there');
      expect(isThere(name), `nn.${name}`).toBe(true);
      const failures = list.flatMap((one) => {
        const wrong = differences(one);
        return wrong.length === 0 ? [] : [`${one.about}, ${one.dtype}: ${wrong.join('; ')}`];
      });
      verdicts.set(name, failures.length === 0 ? 'passed' : `failed ${failures.length} of ${list.length}`);
      expect(failures).toEqual([]);
    });
  }

  afterAll(() => {
    const count = (verdict: RegExp) => names.filter((name) => verdict.test(verdicts.get(name) ?? 'failed')).length;
    const width = Math.max(...names.map((name) => name.length));
    const rows = names.map((name) => {
      const count = String(casesOf(name).length).padStart(5);
      return `${name.padEnd(width)}  ${count} cases  ${verdicts.get(name) ?? 'failed'}`;
    });
    const total = `${count(/^passed/)} of ${names.length} passed, ${count(/^failed/)} failed, ${count(/^not/)} not there`;
    console.log([...rows, total].join('\n'));
  });
});
