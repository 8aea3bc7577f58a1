// From the start of a process to its first result: load the library, make two tensors, multiply, print a number.

import { spawnSync } from 'node:child_process';
import { python } from '../../test/support/python.js';
import { compare, type Report, type Row, versionsOf } from '../compare.js';
import type { Peer } from '../peer.js';

const entry = new URL('../../dist/index.js', import.meta.url).href;
const ours = `import { torch } from ${JSON.stringify(entry)};
console.log(torch.randn([64, 64]).matmul(torch.randn([64, 64])).sum().item());`;
const theirs = `import torch
print(torch.randn(64, 64).matmul(torch.randn(64, 64)).sum().item())`;

const run = (command: string, args: string[]) => async () => {
  const start = performance.now();
  const ended = spawnSync(command, args, { encoding: 'utf8' });
  if (ended.status !== 0 || !Number.isFinite(Number(ended.stdout))) throw new Error(ended.stderr || ended.stdout);
  return (performance.now() - start) / 1000;
};

export async function startup(peer: Peer | undefined, report: Report): Promise<Row[]> {
  const mine = run(process.execPath, ['--input-type=module', '-e', ours]);
  const other = python ? run(python, ['-c', theirs]) : undefined;
  await mine(); // files come into the page cache
  await other?.();
  const row = await compare(
    'startup',
    {
      name: 'first-result',
      what: 'process start to first result (two random matrices multiplied), against `import torch` and the same',
      unit: 's',
      ours: mine,
      peer: other,
      pairs: 11,
    },
    versionsOf(peer),
  );
  report(row);
  return [row];
}
