// docs/coverage.md is true: it is what the names and the package give, and the names are those of the PyTorch at hand.

import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { compare, covered, namesPath, page, readNames } from '../scripts/coverage/page.js';
import { leftOut } from '../scripts/coverage/reasons.js';
import { python } from './support/python.js';
import { needs } from './support/skip.js';

const names = readNames();
const areas = Object.fromEntries(compare(names).map((area) => [area.name, area]));

describe('what of PyTorch is here', () => {
  it('is what docs/coverage.md says: `npx tsx scripts/coverage.ts` writes it', () => {
    expect(readFileSync(new URL('../docs/coverage.md', import.meta.url), 'utf8')).toBe(page(names));
  });

  it('has a reason for each of the methods of Tensor that are left out, and they are few', () => {
    expect(areas['torch.Tensor']!.notYet).toEqual([]);
    expect(covered(areas['torch.Tensor']!)).toBeGreaterThanOrEqual(90);
    for (const name of ['torch.linalg', 'torch.fft', 'torch.special']) expect(covered(areas[name]!), name).toBe(100);
  });

  it('leaves nothing out that does not exist', () => {
    for (const { area, names: pattern, why } of leftOut)
      expect(
        names[area]!.some((name) => pattern.test(name)),
        `${area}: ${pattern} (${why})`,
      ).toBe(true);
  });

  const { it: withPython } = needs(python, 'a Python that has torch');
  withPython('is compared with all the names that PyTorch has', () => {
    const script = fileURLToPath(new URL('names.py', namesPath));
    const { stdout, stderr } = spawnSync(python!, [script], { encoding: 'utf8', maxBuffer: 2 ** 24 });
    expect(JSON.parse(stdout || `"${stderr}"`)).toEqual(names);
  });
});
