// Everything that docs/training.md shows is one program that runs as it stands, and prints what the page says.

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import ts from 'typescript';
import { expect, it } from 'vitest';
import { withFolder } from './support/checkpoints.js';

const entry = new URL('../dist/index.js', import.meta.url).href;

it('the blocks of docs/training.md run one after the other', () =>
  withFolder(async (cwd) => {
    const page = readFileSync(new URL('../docs/training.md', import.meta.url), 'utf8');
    const program = [...page.matchAll(/```ts\n([\s\S]*?)```/g)].map(([, block]) => block!).join('\n');
    const { outputText } = ts.transpileModule(program.replace("from 'isotorch'", `from ${JSON.stringify(entry)}`), {
      compilerOptions: { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022 },
    });
    const printed = execFileSync(process.execPath, ['--input-type=module', '-e', outputText], {
      cwd,
      encoding: 'utf8',
    });
    const [, shown] = page.match(/```\n(layer[\s\S]*?)```/)!;
    expect(printed).toBe(`true true\n10 true\n${shown}`);
  }));
