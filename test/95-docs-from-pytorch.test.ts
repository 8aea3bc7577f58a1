// docs/fromPytorch.md: every pair of blocks prints the same in Python and here, and what stands there passes the type checker.

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { expect, it } from 'vitest';
import { withFolder } from './support/checkpoints.js';
import { python } from './support/python.js';
import { needs } from './support/skip.js';

const entry = new URL('../dist/index.js', import.meta.url).href;
const root = fileURLToPath(new URL('..', import.meta.url));
const page = readFileSync(join(root, 'docs/fromPytorch.md'), 'utf8');

const blocksIn = (text: string, language: string) =>
  [...text.matchAll(new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``, 'g'))].map(([, code]) => code!);
const [opening, ...sections] = page.split(/^## /m);
const titles = sections.map((section) => section.slice(0, section.indexOf('\n')));

/** One program of all blocks: each prints its title first. */
function program(language: 'python' | 'ts', say: (title: string) => string, block: (code: string) => string): string {
  const parts = sections.map((section, i) => {
    const [code, ...more] = blocksIn(section, language);
    if (code === undefined || more.length > 0) throw new Error(`${titles[i]}: expected one block of ${language}`);
    return say(titles[i]!) + block(code);
  });
  return [blocksIn(opening!, language)[0], ...parts].join('\n');
}

const script = program(
  'ts',
  (title) => `console.log(${JSON.stringify(`## ${title}`)});`,
  (code) => `{\n${code}}`,
);

/** For a Python without the safetensors package, whose files the tests of safetensors look at: something that saves and loads. */
const standIn = `
import importlib.util, pickle, sys, types
if importlib.util.find_spec('safetensors') is None:
    sys.modules['safetensors'] = types.ModuleType('safetensors')
    sys.modules['safetensors.torch'] = types.SimpleNamespace(
        save_file=lambda tensors, path: pickle.dump(tensors, open(path, 'wb')),
        load_file=lambda path: pickle.load(open(path, 'rb')),
    )
`;

/** What each block prints; what the two languages write differently (spaces in brackets, True, torch.float32) made alike. */
const printed = (output: string) =>
  output
    .split('## ')
    .slice(1)
    .map((text) =>
      text
        .replace(/\bTrue\b/g, 'true')
        .replace(/\bFalse\b/g, 'false')
        .replace(/\bNone\b/g, 'null')
        .replace(/\btorch\.(?=[a-z])/g, '')
        .replace(/(\d)\.0(?=[\],\s])/g, '$1')
        .replace(/\s+/g, ''),
    );

it('there are at least thirty pairs, numbered', () => {
  expect(titles.length).toBeGreaterThanOrEqual(30);
  expect(titles.map((title) => Number.parseInt(title, 10))).toEqual(titles.map((_, i) => i + 1));
});

needs(python, 'a Python that has torch').it(
  'each pair prints the same in Python and here',
  () =>
    withFolder(async (cwd) => {
      const code = program(
        'python',
        (title) => `print(${JSON.stringify(`## ${title}`)})\n`,
        (block) => block,
      );
      const theirs = execFileSync(python as string, ['-W', 'ignore', '-c', standIn + code], { cwd, encoding: 'utf8' });
      const { outputText } = ts.transpileModule(script.replace("from 'isotorch'", `from ${JSON.stringify(entry)}`), {
        compilerOptions: { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022 },
      });
      const ours = execFileSync(process.execPath, ['--input-type=module', '-e', outputText], { cwd, encoding: 'utf8' });
      expect(printed(ours)).toEqual(printed(theirs));
    }),
  60_000,
);

it('the blocks pass the type checker', () => {
  const name = join(root, 'docs/fromPytorch.ts');
  const options: ts.CompilerOptions = {
    strict: true,
    noEmit: true,
    skipLibCheck: true,
    target: ts.ScriptTarget.ES2022,
    lib: ['lib.es2024.d.ts', 'lib.esnext.disposable.d.ts'],
    module: ts.ModuleKind.NodeNext,
    types: ['node'],
    noUncheckedIndexedAccess: true,
  };
  const host = ts.createCompilerHost(options);
  const { getSourceFile, fileExists } = host;
  host.fileExists = (file) => file === name || fileExists(file);
  host.getSourceFile = (file, ...rest) =>
    file === name ? ts.createSourceFile(file, script, ts.ScriptTarget.ES2022) : getSourceFile(file, ...rest);
  const found = ts.getPreEmitDiagnostics(ts.createProgram([name], options, host));
  expect(
    found.map(({ messageText, start }) => [
      ts.flattenDiagnosticMessageText(messageText, '\n'),
      script.slice(start, start! + 60),
    ]),
  ).toEqual([]);
}, 60_000);
