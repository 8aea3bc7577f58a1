// Eager operators at small size, where the cost of the call is what one pays: twelve common ones, inside a scope.

import { type Tensor, tidy, torch } from '../../lib/index.js';
import { geometricMean, type Report, type Row, type Timed, time } from '../compare.js';
import type { Peer } from '../peer.js';

/** `count` calls, a scope for each hundred, as a training step would have. */
const inScopes = (fn: () => void) => (count: number) => {
  for (let done = 0; done < count; done += 100) {
    tidy(() => {
      for (let i = Math.min(100, count - done); i > 0; i--) fn();
    });
  }
};

export async function ops(peer: Peer | undefined, report: Report): Promise<Row[]> {
  torch.manualSeed(0);
  const one = torch.ones([1]);
  const a = torch.randn([32, 64]);
  const b = torch.randn([32, 64]);
  const w = torch.randn([64, 64]);
  const bias = torch.randn([64]);
  const labels = torch.randint(64, [32]);
  const setup =
    'one = torch.ones(1); a = torch.randn(32, 64); b = torch.randn(32, 64); w = torch.randn(64, 64); bias = torch.randn(64); labels = torch.randint(64, (32,))';
  const subject = (name: string, fn: () => Tensor, statement: string): Timed => ({
    name,
    what: `eager \`${statement}\``,
    ours: inScopes(fn),
    python: { setup, statement },
  });
  const subjects = [
    subject('add (one element)', () => one.add(one), 'torch.add(one, one)'),
    subject('add a number', () => one.add(1), 'one + 1'),
    subject('mul', () => a.mul(b), 'a * b'),
    subject('add in place', () => a.add_(b, { alpha: 0.5 }), 'a.add_(b, alpha=0.5)'),
    subject('relu', () => a.relu(), 'torch.relu(a)'),
    subject('sum', () => a.sum(), 'a.sum()'),
    subject('sum over a dimension', () => a.sum(1), 'a.sum(1)'),
    subject('view', () => a.view([64, 32]), 'a.view(64, 32)'),
    subject('matmul', () => a.matmul(w), 'a.matmul(w)'),
    subject('linear', () => torch.linear(a, w, bias), 'torch.nn.functional.linear(a, w, bias)'),
    subject('log_softmax', () => a.logSoftmax(1), 'a.log_softmax(1)'),
    subject('cross_entropy', () => torch.crossEntropyLoss(a, labels), 'torch.nn.functional.cross_entropy(a, labels)'),
  ];
  const rows: Row[] = [];
  for (const each of subjects) {
    const row = await time('ops', each, peer);
    report(row);
    rows.push(row);
  }
  const mean = geometricMean(rows, 'the geometric mean of the twelve eager operators');
  report(mean);
  return [...rows, mean];
}
