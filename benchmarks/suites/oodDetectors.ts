// The two detectors whose cost grows with the data: exact k-nearest neighbours beside PyTorch's product and top-k, and the fit
// of Mahalanobis beside scikit-learn's as OpenOOD uses it. Features are of CIFAR's size: 50,000 training images × 512.

import { arrays } from '../../lib/ood/arrays/arrays.js';
import { knn } from '../../lib/ood/detectors/knn.js';
import { mahalanobis } from '../../lib/ood/detectors/mahalanobis.js';
import { tidy, torch } from '../../lib/tensor/index.js';
import { type Report, type Row, time } from '../compare.js';
import type { Peer } from '../peer.js';

const [images, size, classes, queries, k] = [50_000, 512, 100, 10_000, 50];

/** Class means and normal noise about them, the same kind on both sides. */
const clouds = (count: number) =>
  tidy(() => {
    const labels = torch.randint(classes, [count]);
    const means = torch.randn([classes, size]);
    return { features: torch.randn([count, size]).add_(means.indexSelect(0, labels)), labels };
  });

const python = `
labels = torch.randint(${classes}, (${images},))
features = torch.randn(${images}, ${size}) + torch.randn(${classes}, ${size})[labels]`;

async function neighbours(peer: Peer | undefined): Promise<Row> {
  torch.manualSeed(0);
  const detector = knn({ k });
  const { features } = clouds(images);
  await detector.fit(arrays({ features }));
  features.dispose();
  const test = arrays({ features: clouds(queries).features });
  try {
    return await time(
      'ood',
      {
        name: 'knn',
        what: `exact KNN scores (k = ${k}) of ${queries} queries in ${images} × ${size}, against PyTorch’s (q @ bank.T).topk(k), which needs 2 GB for the product; ours needs 100 MB`,
        ours: (count) => {
          for (let i = 0; i < count; i++) detector.score(test).dispose();
        },
        python: {
          setup: `${python}
bank = torch.nn.functional.normalize(features)
test = torch.randn(${queries}, ${size}) + torch.randn(${classes}, ${size})[torch.randint(${classes}, (${queries},))]`,
          statement: `q = torch.nn.functional.normalize(test); -(2 - 2 * (q @ bank.T).topk(${k}).values[:, -1])`,
        },
        unit: 's',
        pairs: 7,
      },
      peer,
    );
  } finally {
    detector.dispose();
    test.features?.dispose();
  }
}

async function mahalanobisFit(peer: Peer | undefined): Promise<Row> {
  torch.manualSeed(0);
  const detector = mahalanobis();
  const train = arrays(clouds(images));
  try {
    return await time(
      'ood',
      {
        name: 'mahalanobis-fit',
        what: `class means and tied precision of ${images} × ${size}, ${classes} classes, in a stream, against scikit-learn’s EmpiricalCovariance as OpenOOD uses it`,
        ours: async (count) => {
          for (let i = 0; i < count; i++) await detector.fit(train);
        },
        python: {
          setup: `${python}
import numpy
import sklearn.covariance
def fit():
    means, centred = [], []
    for c in range(${classes}):
        rows = features[labels.eq(c)]
        means.append(rows.mean(0))
        centred.append(rows - means[c].view(1, -1))
    covariance = sklearn.covariance.EmpiricalCovariance(assume_centered=False)
    covariance.fit(torch.cat(centred).cpu().numpy().astype(numpy.float32))
    return torch.stack(means), torch.from_numpy(covariance.precision_)`,
          statement: 'fit()',
        },
        unit: 's',
        pairs: 7,
      },
      peer,
    );
  } finally {
    detector.dispose();
    train.features?.dispose();
    train.labels?.dispose();
  }
}

/** The rows `ood.knn` and `ood.mahalanobis-fit`. */
export async function oodDetectors(peer: Peer | undefined, report: Report): Promise<Row[]> {
  const rows = [await neighbours(peer), await mahalanobisFit(peer)];
  for (const row of rows) report(row);
  return rows;
}
