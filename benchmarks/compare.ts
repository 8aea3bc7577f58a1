// One interleaved run (A B A B …): the same work on both sides in turn, so that whatever else the machine does hits
// both. A row is the medians, their ratio (above 1: we are faster), the spread of the paired ratios, and n.

import { arch, cpus, platform } from 'node:os';
import { torch } from '../lib/index.js';
import type { Peer } from './peer.js';

export interface Row {
  suite: string;
  name: string;
  ours: number;
  peer: number | null;
  unit: string;
  ratio: number | null;
  /** Half the distance between the quartiles of the paired ratios. */
  spread: number | null;
  n: number;
  machine: string;
  versions: Record<string, string>;
}

export interface Subject {
  name: string;
  /** Runs the work `count` times. */
  ours: (count: number) => void;
  python: { setup: string; statement: string };
}

function quantile(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const position = (sorted.length - 1) * q;
  const below = Math.floor(position);
  return sorted[below]! + (position - below) * ((sorted[below + 1] ?? sorted[below]!) - sorted[below]!);
}

const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

function time(work: (count: number) => void, count: number): number {
  const start = performance.now();
  work(count);
  return (performance.now() - start) / 1000;
}

export const machine = (): string =>
  `${cpus()[0]?.model.trim() ?? 'unknown'}, ${cpus().length} cores, ${platform()}-${arch()}`;

export async function compare(
  suite: string,
  subject: Subject,
  peer: Peer | undefined,
  pairs = 15,
  seconds = 0.05,
): Promise<Row> {
  let count = 10;
  while (time(subject.ours, count) < seconds / 4 && count < 1e7) count *= 2;
  count = Math.max(1, Math.round((count * seconds) / time(subject.ours, count)));
  for (let i = 0; i < 5; i++) time(subject.ours, count); // V8 compiles what is hot
  if (peer) await peer.time(subject.python.setup, subject.python.statement, Math.ceil(count / 4));
  const ours: number[] = [];
  const theirs: number[] = [];
  for (let i = 0; i < pairs; i++) {
    ours.push((time(subject.ours, count) / count) * 1e6);
    await pause(5); // the other side's idle threads go to sleep
    if (peer) theirs.push(((await peer.time(subject.python.setup, subject.python.statement, count)) / count) * 1e6);
    await pause(5);
  }
  const ratios = theirs.map((value, i) => value / ours[i]!);
  return {
    suite,
    name: subject.name,
    ours: quantile(ours, 0.5),
    peer: peer ? quantile(theirs, 0.5) : null,
    unit: 'µs',
    ratio: peer ? quantile(ratios, 0.5) : null,
    spread: peer ? (quantile(ratios, 0.75) - quantile(ratios, 0.25)) / 2 : null,
    n: pairs,
    machine: machine(),
    versions: { node: process.version, libtorch: torch.version, ...(peer ? { torch: peer.version } : {}) },
  };
}

/** The geometric mean of a suite's ratios, as a row of its own. */
export function geometricMean(rows: readonly Row[]): Row {
  const mean = (pick: (row: Row) => number | null) => {
    const values = rows.map(pick);
    return values.includes(null)
      ? null
      : Math.exp(values.reduce<number>((sum, value) => sum + Math.log(value!), 0) / values.length);
  };
  return {
    ...rows[0]!,
    name: 'geomean',
    ours: mean((row) => row.ours)!,
    peer: mean((row) => row.peer),
    ratio: mean((row) => row.ratio),
    spread: null,
  };
}
