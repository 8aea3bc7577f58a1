// One interleaved run (A B A B …): the same work on both sides in turn, so that whatever else the machine does hits both. A
// row is the medians, their ratio (above 1: we are better), the spread of the paired ratios, and n.

import { arch, cpus, platform } from 'node:os';
import { torch } from '../lib/index.js';
import type { Peer } from './peer.js';

export interface Row {
  suite: string;
  name: string;
  /** In one line: what is measured, against what. */
  what: string;
  ours: number;
  peer: number | null;
  unit: string;
  /** The peer's figure divided by ours, less being better for both. */
  ratio: number | null;
  /** Half the distance between the quartiles of the paired ratios. */
  spread: number | null;
  n: number;
  machine: string;
  versions: Record<string, string>;
}

/** One comparison: each side gives a figure, such as the seconds that its work took, of which less is better. */
export interface Pair {
  name: string;
  what: string;
  unit: string;
  ours: () => Promise<number>;
  peer?: (() => Promise<number>) | undefined;
  pairs: number;
}

export type Report = (row: Row) => void;
export type Suite = (peer: Peer | undefined, report: Report) => Promise<Row[]>;

export function quantile(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const position = (sorted.length - 1) * q;
  const below = Math.floor(position);
  return sorted[below]! + (position - below) * ((sorted[below + 1] ?? sorted[below]!) - sorted[below]!);
}

/** Long enough for the other side's idle threads to go to sleep: until then they spin on a core. */
export const pause = () => new Promise((resolve) => setTimeout(resolve, 25));

export function machine(): string {
  const device = torch.cuda.isAvailable() ? `, ${torch.cuda.deviceCount()} CUDA device(s)` : '';
  return `${cpus()[0]?.model.trim() ?? 'unknown'}, ${cpus().length} cores, ${platform()}-${arch()}${device}`;
}

export async function compare(suite: string, pair: Pair, peerVersions: Record<string, string> = {}): Promise<Row> {
  const ours: number[] = [];
  const theirs: number[] = [];
  for (let i = 0; i < pair.pairs; i++) {
    ours.push(await pair.ours());
    await pause();
    if (pair.peer) theirs.push(await pair.peer());
    await pause();
  }
  const ratios = theirs.map((value, i) => value / ours[i]!);
  return {
    suite,
    name: pair.name,
    what: pair.what,
    ours: quantile(ours, 0.5),
    peer: pair.peer ? quantile(theirs, 0.5) : null,
    unit: pair.unit,
    ratio: pair.peer ? quantile(ratios, 0.5) : null,
    spread: pair.peer ? (quantile(ratios, 0.75) - quantile(ratios, 0.25)) / 2 : null,
    n: pair.pairs,
    machine: machine(),
    versions: { node: process.version, libtorch: torch.version, ...peerVersions },
  };
}

/** Work that is done many times between two looks at the clock. */
export interface Timed {
  name: string;
  what: string;
  /** Does the work `count` times. */
  ours: (count: number) => void | Promise<void>;
  python: { setup: string; statement: string };
  /** @default 15 */
  pairs?: number;
  /** Of work between two looks at the clock. @default 0.05 */
  seconds?: number;
  /** @default 'µs' */
  unit?: 'µs' | 'ms' | 's';
}

const perSecond = { µs: 1e6, ms: 1e3, s: 1 } as const;

/** Compares times: warms both sides up, and chooses how often the work is done between two looks at the clock. */
export async function time(suite: string, work: Timed, peer: Peer | undefined): Promise<Row> {
  const { name, what, python, pairs = 15, seconds = 0.05, unit = 'µs' } = work;
  const clock = async (count: number): Promise<number> => {
    const start = performance.now();
    await work.ours(count);
    if (torch.cuda.isAvailable()) torch.cuda.synchronize();
    return (performance.now() - start) / 1000;
  };
  await clock(3); // the first of all record, compile, and touch memory
  let count = 1;
  let taken = await clock(count);
  for (; taken < seconds / 4 && count < 1e7; taken = await clock(count)) count *= 2;
  taken = Math.min(taken, await clock(count), await clock(count));
  count = Math.max(1, Math.round((count * seconds) / taken));
  // V8 compiles what is hot; and some passes over the caches do no harm to the other side either.
  for (let warm = 0; warm < Math.min(5 * seconds, 2); ) warm += Math.max(await clock(count), 1e-3);
  if (peer) await peer.time(python.setup, python.statement, Math.max(2, Math.ceil(count / 2)));
  const each = (total: number) => (total / count) * perSecond[unit];
  return await compare(
    suite,
    {
      name,
      what,
      unit,
      pairs,
      ours: async () => each(await clock(count)),
      peer: peer && (async () => each(await peer.time(python.setup, python.statement, count))),
    },
    versionsOf(peer),
  );
}

export const versionsOf = (peer: Peer | undefined): Record<string, string> => (peer ? { torch: peer.version } : {});

/** The geometric mean of a suite's ratios, as a row of its own. */
export function geometricMean(rows: readonly Row[], what: string): Row {
  const mean = (pick: (row: Row) => number | null) => {
    const values = rows.map(pick);
    return values.includes(null)
      ? null
      : Math.exp(values.reduce<number>((sum, value) => sum + Math.log(value!), 0) / values.length);
  };
  return {
    ...rows[0]!,
    name: 'geomean',
    what,
    ours: mean((row) => row.ours)!,
    peer: mean((row) => row.peer),
    ratio: mean((row) => row.ratio),
    spread: null,
  };
}
