// npm run bench -- <suite> [--json file]: compares with PyTorch of the same LibTorch in one interleaved run.

import { parseArgs } from 'node:util';
import writeFileAtomic from 'write-file-atomic';
import { python } from '../test/support/python.js';
import { machine, type Row } from './compare.js';
import { Peer } from './peer.js';
import { isomax } from './suites/isomax.js';
import { ops } from './suites/ops.js';

const suites: Record<string, (peer: Peer | undefined, report: (row: Row) => void) => Promise<Row[]>> = {
  ops,
  isomax,
};

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { json: { type: 'string' }, help: { type: 'boolean' } },
});
const name = positionals[0] ?? '';
const suite = suites[name];
if (values.help || !suite) {
  console.error(`usage: npm run bench -- <suite> [--json file]\nsuites: ${Object.keys(suites).join(', ')}`);
  process.exit(values.help ? 0 : 2);
}

const number = (value: number | null, digits = 2) => (value === null ? '–' : value.toFixed(digits)).padStart(9);
const peer = python ? await Peer.start(python) : undefined;
if (!peer) console.error('No Python with torch here: showing our own times only.');
console.log(`${machine()}; ratio = PyTorch's time / ours (above 1: isotorch is faster)`);
console.log(`${'operator'.padEnd(24)}  ours µs  torch µs     ratio   ± spread   n`);
const rows = await suite(peer, (row) => {
  console.log(
    `${row.name.padEnd(24)}${number(row.ours)} ${number(row.peer)} ${number(row.ratio)}  ${number(row.spread)} ${String(row.n).padStart(4)}`,
  );
});
peer?.end();
if (values.json) {
  await writeFileAtomic(values.json, `${JSON.stringify(rows, null, 2)}\n`);
  console.log(`Written to ${values.json}`);
}
