// Every format that torch.save has had, every protocol of pickle, every dtype, aliasing, old classes and objects by chance: two
// hundred files from real PyTorch, each read here and there, and compared in types, order, dtypes, strides, sharing and every bit.

import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isDeepStrictEqual } from 'node:util';
import { expect, describe as group } from 'vitest';
import { loadTorch, saveTorch } from '../lib/checkpoint/index.js';
import { memory } from '../lib/tensor/index.js';
import { describeValue, disposeAll, withFolder } from './support/checkpoints.js';
import { python } from './support/python.js';
import { needs } from './support/skip.js';

const { it } = needs(python, 'a Python that has torch');
const script = fileURLToPath(new URL('./fixtures/make_checkpoint_matrix.py', import.meta.url));

group('the matrix of checkpoints', () => {
  it(
    'reads as PyTorch reads it, mapped into memory too, and PyTorch reads what is written of it',
    () =>
      withFolder(async (folder) => {
        const ended = spawnSync(python as string, [script, folder], { encoding: 'utf8' });
        expect(ended.status, ended.stderr).toBe(0);
        const expected: Record<string, { value: unknown; unread?: string }> = JSON.parse(
          readFileSync(join(folder, 'matrix.json'), 'utf8'),
        );
        const names = Object.keys(expected);
        expect(names.length).toBeGreaterThanOrEqual(240);
        for (const format of ['zip', 'stream', 'tar']) expect(names.some((name) => name.startsWith(format))).toBe(true);
        const problems: string[] = [];
        mkdirSync(join(folder, 'back'));
        for (const name of names) {
          for (const mmap of [false, true]) {
            const before = memory().tensors;
            const loaded = await loadTorch(join(folder, `${name}.pt`), { mmap });
            const exact = !mmap && !name.endsWith('views');
            const [ours, theirs] = [describeValue(loaded), expected[name]?.value].map((description) =>
              exact ? description : withoutPlaces(description),
            );
            if (!isDeepStrictEqual(ours, theirs))
              problems.push(difference(ours, theirs, `${name}${mmap ? ', mapped' : ''}: `));
            if (mmap) await saveTorch(join(folder, 'back', `${name}.pt`), loaded);
            disposeAll(loaded);
            // A part of a sparse tensor is seen in its description, and goes with it.
            if (!/sparse/.test(name) && memory().tensors > before) problems.push(`${name} left tensors behind`);
          }
        }
        expect(problems.join('\n')).toBe('');

        const back = spawnSync(python as string, [script, '--back', join(folder, 'back')], { encoding: 'utf8' });
        expect(back.status, back.stderr).toBe(0);
        const read: Record<string, unknown> = JSON.parse(readFileSync(join(folder, 'back', 'back.json'), 'utf8'));
        expect(Object.keys(read).sort()).toEqual(names.sort());
        for (const name of names) {
          const others = /(parameters|old-classes)$/.test(name) ? ['parameter', 'requiresGrad'] : [];
          const [ours, theirs] = [read[name], expected[name]?.value].map((value) => withoutPlaces(value, ...others));
          if (!isDeepStrictEqual(ours, theirs)) problems.push(difference(ours, theirs, `${name}, written: `));
        }
        expect(problems.join('\n')).toBe('');
      }),
    300_000,
  );
});

/**
 * Where memory is mapped, or parts of storages are storages, tensors lie elsewhere in their memory than in Python. Parameters are
 * written as plain tensors.
 */
function withoutPlaces(value: unknown, ...others: string[]): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map((item) => withoutPlaces(item, ...others));
  const entries = Object.entries(value).filter(
    ([key]) => !['offset', 'storage', 'storageBytes', ...others].includes(key),
  );
  return Object.fromEntries(entries.map(([key, item]) => [key, withoutPlaces(item, ...others)]));
}

/** The first place at which they differ: whole descriptions are megabytes. */
function difference(ours: unknown, theirs: unknown, place: string): string {
  if (typeof ours === 'object' && typeof theirs === 'object' && ours !== null && theirs !== null) {
    const [a, b] = [ours, theirs] as Record<string, unknown>[];
    for (const key of new Set([...Object.keys(ours), ...Object.keys(theirs)])) {
      if (!isDeepStrictEqual(a?.[key], b?.[key])) return difference(a?.[key], b?.[key], `${place}.${key}`);
    }
  }
  const short = (value: unknown) => (JSON.stringify(value) ?? 'nothing').slice(0, 200);
  return `${place} is ${short(ours)} here and ${short(theirs)} in Python`;
}
