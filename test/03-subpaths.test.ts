// isotorch/ood and the other rooms: each is there, and loads what it needs and nothing else.

import { existsSync, readFileSync } from 'node:fs';
import { dirname, relative, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';

const root = resolve(import.meta.dirname, '..');
const { exports: subpaths } = JSON.parse(readFileSync(resolve(root, 'package.json'), 'utf8')) as {
  exports: Record<string, string | Record<'types' | 'default', string>>;
};
const rooms = Object.keys(subpaths).flatMap((path) => /^\.\/([a-z]+)$/.exec(path)?.[1] ?? []);

/** Every file that one loads when it is imported, below lib. */
function loadedBy(file: string, seen = new Set<string>()): Set<string> {
  if (seen.has(file)) return seen;
  seen.add(file);
  const text = readFileSync(file, 'utf8');
  for (const [, path] of text.matchAll(/^(?:import|export) (?!type )[^;]*?from '(\.[^']+)'|^import '(\.[^']+)'/gm)) {
    const target = resolve(dirname(file), path!).replace(/\.js$/, '.ts');
    if (existsSync(target)) loadedBy(target, seen);
  }
  return seen;
}
const loads = (room: string): string[] => [
  ...new Set(
    [...loadedBy(resolve(root, 'lib', room, 'index.ts'))].map(
      (file) => relative(resolve(root, 'lib'), file).split('/')[0]!,
    ),
  ),
];

describe('subpaths', () => {
  it('are the rooms of the package', () => {
    const namespaces = [...readFileSync(resolve(root, 'lib/rooms.ts'), 'utf8').matchAll(/export \* as (\w+)/g)];
    for (const [, room] of namespaces) expect(rooms).toContain(room);
    for (const room of rooms) {
      expect(subpaths[`./${room}`]).toEqual({ types: `./dist/${room}/index.d.ts`, default: `./dist/${room}/index.js` });
      expect(existsSync(resolve(root, 'lib', room, 'index.ts')), room).toBe(true);
    }
  });

  it('load nothing of the floors above', () => {
    const floors = [
      ['tensor'],
      ['nn', 'data', 'checkpoint'],
      ['losses', 'models', 'optim', 'amp', 'script'],
      ['ood'],
      ['training'],
      ['evaluation'],
      ['cli'],
    ];
    for (const [i, floor] of floors.entries())
      for (const room of floor.filter((name) => rooms.includes(name))) {
        const above = floors.slice(i + 1).flat();
        expect([room, loads(room).filter((each) => above.includes(each))]).toEqual([room, []]);
      }
  });

  it('of reports need no LibTorch', () => {
    const all = loads('report');
    expect(all).toEqual(expect.arrayContaining(['report', 'known', 'errors.ts']));
    expect(all.filter((each) => !each.endsWith('.ts') && each !== 'report' && each !== 'known')).toEqual([]);
    expect(all.filter((each) => each === 'native.ts' || each === 'libtorch.ts')).toEqual([]);
  });
});
