// npx tsx benchmarks/table.ts results.json …: the rows as a table in Markdown, for the documents.

import { readFileSync } from 'node:fs';
import type { Row } from './compare.js';

const rows = process.argv.slice(2).flatMap((path) => JSON.parse(readFileSync(path, 'utf8')) as Row[]);
const figure = (value: number) => (value >= 100 ? value.toFixed(0) : value.toPrecision(3));
console.log('| row | what | ours | PyTorch | ratio | ± spread | n |');
console.log('|---|---|---|---|---|---|---|');
for (const { suite, name, what, ours, peer, unit, ratio, spread, n } of rows) {
  const [theirs, quotient] = [peer === null ? '–' : `${figure(peer)} ${unit}`, ratio === null ? '–' : ratio.toFixed(2)];
  console.log(
    `| \`${suite}.${name}\` | ${what} | ${figure(ours)} ${unit} | ${theirs} | ${quotient} | ${spread === null ? '–' : spread.toFixed(2)} | ${n} |`,
  );
}
