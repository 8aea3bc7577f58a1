// Four small trainings (benchmarks/trainings), captured here, eager in Python: the time of a step in turn, and once the whole
// training on both sides, from the same seed with the same batches, whose losses at the end are to agree.

import { runPython } from '../../test/support/python.js';
import { compare, geometricMean, type Report, type Row, time, versionsOf } from '../compare.js';
import type { Peer } from '../peer.js';
import { trainings as all, twin } from '../trainings/index.js';
import type { Training } from '../trainings/training.js';

/** Steps at the end whose mean loss is compared, and by how much it may differ, of itself. */
const LAST = 100;
const MOST = 0.02;
/** For schedules that end: more than will ever be timed. */
const ENDLESS = 1e7;

const kebab = (name: string) => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;

async function losses(name: string, { steps, begin }: Training, peer: Peer | undefined): Promise<Row> {
  const ours = ((await begin().train(steps)).tolist() as number[]).slice(-LAST);
  const theirs =
    peer && (runPython(`${twin(name, steps)}\nemit([step().item() for _ in range(${steps})])`) as number[]);
  const row = await compare(
    'training',
    {
      name: `${kebab(name)}-loss`,
      what: `the mean loss of the last ${LAST} of ${steps} steps, the same first values and batches on both sides`,
      unit: 'loss',
      pairs: 1,
      ours: async () => mean(ours),
      peer: theirs && (async () => mean(theirs.slice(-LAST))),
    },
    versionsOf(peer),
  );
  if (row.peer !== null && !(Math.abs(row.ours - row.peer) <= MOST * row.peer))
    throw new Error(`${name}: expected a loss of ${row.peer} ± ${MOST * 100} % as in PyTorch but it is ${row.ours}`);
  return row;
}

export async function trainings(peer: Peer | undefined, report: Report): Promise<Row[]> {
  const rows: Row[] = [];
  for (const [name, { begin }] of Object.entries(all)) {
    const { train } = begin(ENDLESS);
    const row = await time(
      'training',
      {
        name: kebab(name),
        what: `a captured step of benchmarks/trainings/${name}.ts, against ${name}.py in eager mode with PyTorch's defaults`,
        ours: async (count) => (await train(count)).dispose(),
        python: { setup: twin(name, ENDLESS), statement: 'step()' },
        seconds: 0.4,
      },
      peer,
    );
    report(row);
    rows.push(row);
  }
  const four = geometricMean(rows, 'the geometric mean of the four');
  report(four);
  rows.push(four);
  for (const [name, training] of Object.entries(all)) {
    const row = await losses(name, training, peer);
    report(row);
    rows.push(row);
  }
  return rows;
}
