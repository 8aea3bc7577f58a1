// Examples of the README and the documents that stand on their own are code that runs as it stands.

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import ts from 'typescript';
import { expect, it } from 'vitest';

const entry = new URL('../dist/index.js', import.meta.url).href;

/** What the first complete example of a document prints. */
function output(document: string): string {
  const text = readFileSync(new URL(`../${document}`, import.meta.url), 'utf8');
  const example = /```ts\n(import [\s\S]*?)```/.exec(text)![1]!;
  const { outputText } = ts.transpileModule(example.replace("from 'isotorch'", `from ${JSON.stringify(entry)}`), {
    compilerOptions: { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022 },
  });
  return execFileSync(process.execPath, ['--input-type=module', '-e', outputText], { encoding: 'utf8' });
}

it("the README's ten lines train a network and print its report", () => {
  expect(output('README.md')).toMatch(/AUROC[\s\S]*noise/);
});

it('the captured step learns', () => {
  const lines = output('docs/capture.md').trim().split('\n');
  expect(lines).toHaveLength(5);
  expect(lines[0]).toMatch(/^0 0\.[6-9]/);
  expect(lines[4]).toMatch(/^4 0\.0[1-9]/);
});

it("the losses' example begins at ln 10", () => {
  expect(output('docs/losses.md')).toMatch(/^0 2\.303\n/);
});

it('the detectors of docs/ood.md learn, and those of features know noise from digits', () => {
  expect(output('docs/ood.md')).toMatch(/input-mahalanobis +8\d\.\d +(100|9\d)\.\d/);
});
