// Everything that docs/optim.md shows is one program that runs as it stands, and prints what the page says.

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import ts from 'typescript';
import { expect, it } from 'vitest';
import { withFolder } from './support/checkpoints.js';

const entry = new URL('../dist/index.js', import.meta.url).href;

it('the blocks of docs/optim.md run one after the other', () =>
  withFolder(async (cwd) => {
    const page = readFileSync(new URL('../docs/optim.md', import.meta.url), 'utf8');
    const program = [...page.matchAll(/```ts\n([\s\S]*?)```/g)].map(([, block]) => block!).join('\n');
    const { outputText } = ts.transpileModule(program.replace("from 'isotorch'", `from ${JSON.stringify(entry)}`), {
      compilerOptions: { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022 },
    });
    const printed = execFileSync(process.execPath, ['--input-type=module', '-e', outputText], {
      cwd,
      encoding: 'utf8',
    });
    const lines = printed.trim().split('\n');
    expect(lines.slice(0, 5).map((line) => line.split(' ')[2])).toEqual([
      '0.0090',
      '0.0065',
      '0.0035',
      '0.0010',
      '0.0000',
    ]);
    expect(lines[4]).toMatch(/^4 0\.0/);
    expect(lines[5]).toMatch(/^\[ (1|0\.99\d*|1\.00\d*), (1|0\.99\d*|1\.00\d*) \]$/);
    expect(lines[6]).toMatch(/^Expected the state of SGD but this looks like AdamW's: it has betas, eps/);
    expect(lines.slice(7)).toEqual(['[ 0.010000000000000002, 0.002 ]', '[ 2, 10 ]', '2', '0.9']);
  }));
