// One round's process of ours: speaks the protocol of peer.py, with an operator's name for a statement.

import { createInterface } from 'node:readline';
import { torch } from '../../lib/index.js';
import { operators, timeCalls } from './ops.js';

const byName = new Map(operators().map(({ name, ours }) => [name, ours]));
const write = (value: unknown) => process.stdout.write(`${JSON.stringify(value)}\n`);
write({ torch: torch.version, threads: torch.getNumThreads() });
for await (const line of createInterface({ input: process.stdin })) {
  const { statement, count } = JSON.parse(line) as { statement: string; count: number };
  write(timeCalls(byName.get(statement)!, count));
}
