// The README's example is code that runs, as it stands there.

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';

const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
const entry = new URL('../dist/index.js', import.meta.url).href;

it("the README's ten lines train a network and print its report", () => {
  const example = /```ts\n(import [\s\S]*?)```/.exec(readme)![1]!;
  const output = execFileSync(
    process.execPath,
    ['--input-type=module', '-e', example.replace("from 'isotorch'", `from ${JSON.stringify(entry)}`)],
    { encoding: 'utf8' },
  );
  expect(output).toMatch(/uniform-noise|noise/);
  expect(output).toMatch(/AUROC/);
});
