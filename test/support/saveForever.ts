// A process to be killed: saves one checkpoint after another to the path it is given, each {n, first, last} with two
// large tensors full of n, and prints n when it is done.

import { saveTorch } from '../../lib/checkpoint/index.js';
import { torch } from '../../lib/tensor/index.js';

const path = process.argv[2] as string;
for (let n = Number(process.argv[3] ?? 1); ; n++) {
  const first = torch.full([200_000], n);
  const last = torch.full([200_000], n);
  await saveTorch(path, { n, first, last });
  process.stdout.write(`${n}\n`);
  first.dispose();
  last.dispose();
}
