// Metrics and bootstrap of scores against what people call for the same numbers: scikit-learn's functions, and a loop in
// NumPy. Scores are normal, of two means, so that about a quarter of all pairs is in the wrong order.

import { SeededRandom } from '../../lib/data/random.js';
import { bootstrap } from '../../lib/ood/metrics/bootstrap.js';
import { measureAll } from '../../lib/ood/metrics/measureAll.js';
import { type Report, type Row, time } from '../compare.js';
import type { Peer } from '../peer.js';

/** Sums of twelve uniforms: normal enough. */
function normal(size: number, mean: number, seed: number): Float64Array {
  const random = new SeededRandom('benchmark', seed);
  return Float64Array.from({ length: size }, () => {
    let sum = mean - 6;
    for (let i = 0; i < 12; i++) sum += random.uniform();
    return sum;
  });
}

const scores = (size: number) => `
import numpy as np
rng = np.random.default_rng(0)
known, unknown = rng.normal(1, 1, ${size}), rng.normal(0, 1, ${size})
`;

/** AUROC, both average precisions, both areas by trapezoids, and the ROC for FPR, TNR and detection accuracy. */
const scikitLearn = `
from sklearn.metrics import auc, average_precision_score, precision_recall_curve, roc_auc_score, roc_curve
scores = np.r_[known, unknown]
labels = np.r_[np.ones(len(known)), np.zeros(len(unknown))]
def area(labels, scores):
    precision, recall, _ = precision_recall_curve(labels, scores)
    return auc(recall, precision)
def figures():
    fpr, tpr, _ = roc_curve(labels, scores)
    flagged, caught = 1 - tpr[::-1], 1 - fpr[::-1]
    return (roc_auc_score(labels, scores), average_precision_score(labels, scores),
        average_precision_score(1 - labels, -scores), area(labels, scores), area(1 - labels, -scores),
        fpr[np.argmax(tpr >= 0.95)], flagged[np.argmax(caught >= 0.95)], np.max(tpr + 1 - fpr) / 2)
`;

/**
 * The AUROC of each resample from ranks, ties averaged; and the fastest that we know NumPy to do, without ranks: unknown
 * scores below each known one by bisection.
 */
const loops = `
def resampled():
    return rng.choice(known, len(known)), rng.choice(unknown, len(unknown))
def ranks():
    a, b = resampled()
    _, place, count = np.unique(np.r_[a, b], return_inverse=True, return_counts=True)
    rank = (np.cumsum(count) - (count - 1) / 2)[place]
    return (rank[:len(a)].sum() - len(a) * (len(a) + 1) / 2) / len(a) / len(b)
def bisection():
    a, b = resampled()
    a.sort(); b.sort()
    return (np.searchsorted(b, a, 'left').sum() + np.searchsorted(b, a, 'right').sum()) / 2 / len(a) / len(b)
def loop(auroc):
    return np.quantile([auroc() for _ in range(1000)], [0.025, 0.975])
`;

export async function oodMetrics(peer: Peer | undefined, report: Report): Promise<Row[]> {
  const rows: Row[] = [];
  const add = (row: Row) => {
    rows.push(row);
    report(row);
  };
  const many = [normal(1_000_000, 1, 1), normal(1_000_000, 0, 2)] as const;
  add(
    await time(
      'ood',
      {
        name: 'metrics',
        what: "all figures of 1,000,000 + 1,000,000 scores, against scikit-learn's calls for the same numbers",
        ours: (times) => {
          for (let i = 0; i < times; i++) measureAll(...many);
        },
        python: { setup: scores(1_000_000) + scikitLearn, statement: 'figures()' },
        pairs: 7,
        seconds: 0.1,
        unit: 's',
      },
      peer,
    ),
  );
  const some = [normal(20_000, 1, 3), normal(20_000, 0, 4)] as const;
  for (const [name, loop, how] of [
    ['bootstrap', 'ranks', 'the same loop with ranks in NumPy'],
    ['bootstrap, against bisection', 'bisection', 'the fastest loop known to us in NumPy, of sorts and bisection'],
  ] as const)
    add(
      await time(
        'ood',
        {
          name,
          what: `1,000 bootstrap resamples of 20,000 + 20,000 scores, the interval of the AUROC, against ${how}`,
          ours: async (times) => {
            for (let i = 0; i < times; i++) await bootstrap(...some);
          },
          python: { setup: scores(20_000) + loops, statement: `loop(${loop})` },
          pairs: 7,
          seconds: 0.25,
          unit: 's',
        },
        peer,
      ),
    );
  return rows;
}
