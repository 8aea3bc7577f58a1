// npm run bench -- <suite> [--json file]: compares with PyTorch of the same LibTorch, A B A B … in one run.

import { parseArgs } from 'node:util';
import writeFileAtomic from 'write-file-atomic';
import { python } from '../test/support/python.js';
import { machine, type Row, type Suite } from './compare.js';
import { Peer } from './peer.js';
import { checkpoint } from './suites/checkpoint.js';
import { data } from './suites/data.js';
import { epoch } from './suites/epoch.js';
import { gpu } from './suites/gpu.js';
import { isomax } from './suites/isomax.js';
import { memory } from './suites/memory.js';
import { ood } from './suites/ood.js';
import { ops } from './suites/ops.js';
import { startup } from './suites/startup.js';
import { step } from './suites/step.js';
import { trainings } from './suites/trainings.js';

const suites: Record<string, Suite> = {
  ops,
  step,
  trainings,
  isomax,
  data,
  startup,
  memory,
  checkpoint,
  epoch,
  ood,
  gpu,
};
/** What `all` runs: `gpu` is the accelerator's, and on the CPU only a miniature of it. */
const all = Object.keys(suites).filter((name) => name !== 'gpu');

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { json: { type: 'string' }, help: { type: 'boolean' } },
});
const chosen = positionals.includes('all') ? all : positionals;
if (values.help || chosen.length === 0 || !chosen.every((name) => Object.hasOwn(suites, name))) {
  console.error(
    `usage: npm run bench -- <suite …> [--json file]\nsuites: ${Object.keys(suites).join(', ')}; all: all but gpu`,
  );
  process.exit(values.help ? 0 : 2);
}

const number = (value: number | null) =>
  (value === null ? '–' : value >= 1000 ? value.toFixed(0) : value.toPrecision(4)).padStart(9);
const ratio = (value: number | null) => (value === null ? '–' : value.toFixed(2)).padStart(7);
if (!python) console.error('No Python with torch here: showing our own figures only.');
console.log(`${machine()}; ratio = PyTorch's figure / ours (above 1: isotorch is better)`);
console.log(`${'row'.padEnd(32)} ${'ours'.padStart(9)} ${'PyTorch'.padStart(9)} unit   ratio ±spread   n`);
const rows: Row[] = [];
for (const name of chosen) {
  const peer = python ? await Peer.start(python) : undefined;
  try {
    rows.push(
      ...(await suites[name]!(peer, (row) => {
        const { ours, peer: theirs, unit, ratio: value, spread, n } = row;
        console.log(
          `${`${row.suite}.${row.name}`.padEnd(32)} ${number(ours)} ${number(theirs)} ${unit.padEnd(4)} ${ratio(value)} ${ratio(spread)} ${String(n).padStart(3)}`,
        );
      })),
    );
  } finally {
    peer?.end();
  }
}
if (values.json) {
  await writeFileAtomic(values.json, `${JSON.stringify(rows, null, 2)}\n`);
  console.log(`Written to ${values.json}`);
}
process.exit(0); // captured steps of the suites hold nothing back
