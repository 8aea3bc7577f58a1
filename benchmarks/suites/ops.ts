// Eager operators at small size, where the cost of the call is what one pays: twelve common ones, inside a scope.
//
// How fast a small kernel runs depends on where a process's stack and heap happen to lie: by up to a half, the same in Node and
// in Python, and for as long as the process lives. So both sides are started anew for each round, and the pairs of all rounds
// are taken together.

import { fileURLToPath } from 'node:url';
import { type Tensor, tidy, torch } from '../../lib/index.js';
import { geometricMean, machine, pause, quantile, type Report, type Row, versionsOf } from '../compare.js';
import { Peer } from '../peer.js';

const rounds = 6;
const pairsPerRound = 9;
const seconds = 0.03;

interface Operator {
  name: string;
  ours: () => Tensor;
  python: string;
}

/** What both sides compute with: 32 × 64 numbers, a batch of features. */
export function operators(): Operator[] {
  torch.manualSeed(0);
  const one = torch.ones([1]);
  const a = torch.randn([32, 64]);
  const b = torch.randn([32, 64]);
  const w = torch.randn([64, 64]);
  const bias = torch.randn([64]);
  const labels = torch.randint(64, [32]);
  const sum = torch.zeros([32, 64]); // of its own: it grows, and exponentials of large numbers take another time
  return [
    { name: 'add (one element)', ours: () => one.add(one), python: 'torch.add(one, one)' },
    { name: 'add a number', ours: () => one.add(1), python: 'one + 1' },
    { name: 'mul', ours: () => a.mul(b), python: 'a * b' },
    { name: 'add in place', ours: () => sum.add_(b, { alpha: 0.5 }), python: 'a.add_(b, alpha=0.5)' },
    { name: 'relu', ours: () => a.relu(), python: 'torch.relu(a)' },
    { name: 'sum', ours: () => a.sum(), python: 'a.sum()' },
    { name: 'sum over a dimension', ours: () => a.sum(1), python: 'a.sum(1)' },
    { name: 'view', ours: () => a.view([64, 32]), python: 'a.view(64, 32)' },
    { name: 'matmul', ours: () => a.matmul(w), python: 'a.matmul(w)' },
    { name: 'linear', ours: () => torch.linear(a, w, bias), python: 'torch.nn.functional.linear(a, w, bias)' },
    { name: 'log_softmax', ours: () => a.logSoftmax(1), python: 'a.log_softmax(1)' },
    {
      name: 'cross_entropy',
      ours: () => torch.crossEntropyLoss(a, labels),
      python: 'torch.nn.functional.cross_entropy(a, labels)',
    },
  ];
}

const setup =
  'one = torch.ones(1); a = torch.randn(32, 64); b = torch.randn(32, 64); w = torch.randn(64, 64); bias = torch.randn(64); labels = torch.randint(64, (32,))';

/** Seconds that `count` calls take, ten in a scope, as a small function would have. */
export function timeCalls(fn: () => Tensor, count: number): number {
  const start = performance.now();
  for (let done = 0; done < count; done += 10) {
    tidy(() => {
      for (let i = Math.min(10, count - done); i > 0; i--) fn();
    });
  }
  return (performance.now() - start) / 1000;
}

const child = fileURLToPath(new URL('./opsChild.ts', import.meta.url));

export async function ops(given: Peer | undefined, report: Report): Promise<Row[]> {
  const all = operators();
  const samples = all.map(() => ({ ours: [] as number[], theirs: [] as number[] }));
  for (let round = 0; round < rounds; round++) {
    const mine = await Peer.start(process.execPath, ['--import', 'tsx', child]);
    const theirs = given && (await given.another());
    for (const [i, { name, python }] of all.entries()) {
      let count = 1000;
      for (let warm = 0; warm < 3; warm++) count = Math.ceil((count * seconds) / (await mine.time('', name, count)));
      await theirs?.time(setup, python, count);
      for (let pair = 0; pair < pairsPerRound; pair++) {
        samples[i]!.ours.push((1e6 * (await mine.time('', name, count))) / count);
        await pause();
        if (theirs) samples[i]!.theirs.push((1e6 * (await theirs.time(setup, python, count))) / count);
        await pause();
      }
    }
    mine.end();
    theirs?.end();
  }
  const versions = { node: process.version, libtorch: torch.version, ...versionsOf(given) };
  const rows = all.map(({ name, python }, i): Row => {
    const { ours, theirs } = samples[i]!;
    const ratios = theirs.map((value, k) => value / ours[k]!);
    return {
      suite: 'ops',
      name,
      what: `eager \`${python}\` at 32 × 64`,
      ours: quantile(ours, 0.5),
      peer: given ? quantile(theirs, 0.5) : null,
      unit: 'µs',
      ratio: given ? quantile(ratios, 0.5) : null,
      spread: given ? (quantile(ratios, 0.75) - quantile(ratios, 0.25)) / 2 : null,
      n: ours.length,
      machine: machine(),
      versions,
    };
  });
  rows.push(geometricMean(rows, 'the geometric mean of the twelve eager operators'));
  for (const row of rows) report(row);
  return rows;
}
