// The first call is right: LibTorch's vector math, when its first use in a process is parallel, can return 11-bit
// results (a race in its own initialisation). The addon warms it up at load, so a hundred fresh processes agree.

import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { torch } from '../lib/tensor/index.js';

const entry = new URL('../dist/tensor/index.js', import.meta.url).href;
const functions = ['sqrt', 'log', 'tanh', 'exp'] as const;
const run = promisify(execFile);

it('in a hundred fresh processes', async () => {
  // 64 × 100 is large enough for LibTorch to split it over two threads.
  const input = torch.linspace(0.01, 4, 6400).view([64, 100]);
  const exact = Object.fromEntries(functions.map((name) => [name, input.to('float64')[name]()]));
  const worst: number[] = [];
  const lane = async (first: number) => {
    for (let i = first; i < 100; i += 2) {
      const name = functions[i % functions.length]!;
      const code = `import { torch } from ${JSON.stringify(entry)};
        const y = torch.linspace(0.01, 4, 6400).view([64, 100]).${name}();
        process.stdout.write(Buffer.from(y.toArraySync().buffer).toString('base64'));`;
      const { stdout } = await run(process.execPath, ['--input-type=module', '-e', code], {
        maxBuffer: 1 << 20,
        env: { ...process.env, OMP_NUM_THREADS: '2' },
      });
      const result = torch
        .fromBuffer(Buffer.from(stdout, 'base64'), { dtype: 'float32' })
        .view([64, 100])
        .to('float64');
      worst.push(result.sub(exact[name]!).abs().div(exact[name]!.abs().clampMin(1e-2)).max().item());
    }
  };
  await Promise.all([lane(0), lane(1)]);
  expect(worst).toHaveLength(100);
  expect(Math.max(...worst)).toBeLessThan(1e-6);
}, 300_000);
