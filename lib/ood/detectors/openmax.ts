// OpenMax: an image whose logits lie unusually far from the mean logits of the classes that it resembles is none of them.
// For each class the largest distances of its training images to their mean are modelled as a Weibull tail (weibull.ts).

import { type DetectorSettings, detectorSettings } from '../../known/detectors.js';
import { type Tensor, torch } from '../../tensor/index.js';
import type { FittedDetector } from './detector.js';
import { fittedDetector, type Pass } from './fitted.js';
import { meansOfRight, rightRows } from './moments.js';
import { fitTail, offset, type WeibullTail } from './weibull.js';

/**
 * −P(unknown | z). With μ_c the mean logits of the training images of class c that are classified rightly, w_c(d) the
 * distribution of the `tail` largest of their distances to it, and r the rank of class c among the logits of an image, from 1:
 *
 * - ω_c = (α + 1 − r) / α for the α largest logits, 0 for the others
 * - ẑ_c = z_c (1 − ω_c w_c(‖z − μ_c‖₂)) and ẑ_unknown = Σ_c (z_c − ẑ_c)
 * - P(unknown) = softmax(ẑ_1, …, ẑ_C, ẑ_unknown)[unknown]
 *
 * Bendale & Boult, "Towards Open Set Deep Networks", 2016 (arXiv:1511.06233, alg. 1 and 2); with Euclidean distances as
 * `openmax_postprocessor.py` in Jingkang50/OpenOOD, whose threshold of 0.9 plays a part in its predicted classes only.
 * The paper thinks of large positive logits: those of a distance head are negative, where being revised makes them larger.
 *
 * `fit` reads logits and labels, in two passes. Its state: `means` [C, C], `smallest`, `location` and `scale` [C].
 *
 * @param settings.tail how many distances of a class are fitted, all where it has fewer. Default 20
 * @param settings.alpha α; all classes where there are fewer. Default 3
 * @returns a detector of logits; `score`: [N, C] → float64 [N], from −1 to 0
 * @throws ERR_ARGUMENT for settings that are none or out of range; `fit`: ERR_DATA for a class without images that are
 *   classified rightly
 * @example
 * const detector = openMax({ tail: 20 });
 * await detector.fit(arrays({ logits: training, labels }));
 */
export function openMax(settings: DetectorSettings<'openmax'> = {}): FittedDetector {
  const name = 'openmax';
  const own = detectorSettings(name, settings);
  return fittedDetector({
    name,
    settings: own,
    needs: ['logits'],
    learnsFrom: ['logits', 'labels'],
    shapes: { means: ['C', 'C'], smallest: ['C'], location: ['C'], scale: ['C'] },
    async learn(pass) {
      const means = await meansOfRight(pass, ({ logits }) => logits, name);
      const tails = await tailsOf(pass, means, own.tail);
      const column = (key: keyof WeibullTail) =>
        torch.tensor(
          tails.map((tail) => tail[key]),
          { dtype: 'float64', device: means.device },
        );
      return { means, smallest: column('smallest'), location: column('location'), scale: column('scale') };
    },
    score: ({ logits }, { means, ...tails }) => {
      const z = logits.to('float64');
      const ranks = Math.min(own.alpha, z.shape[1]!);
      const ranked: Tensor[] = [];
      const moved: Tensor[] = [];
      let left = z;
      for (let rank = 0; rank < ranks; rank++) {
        // Of equal logits the first class, which a sort or top-k wouldn't promise.
        const classes = left.argmax(1);
        left = left.scatter(1, classes.unsqueeze(1), Number.NEGATIVE_INFINITY);
        ranked.push(classes);
        const distance = z.sub(means.indexSelect(0, classes)).norm(2, [1]);
        const omega = (own.alpha - rank) / own.alpha;
        const logit = z.gather(1, classes.unsqueeze(1)).squeeze(1);
        moved.push(logit.mul(likelihood(distance, tails, classes)).mul(omega));
      }
      const away = torch.stack(moved, 1);
      const revised = z.scatterAdd(1, torch.stack(ranked, 1), away.neg());
      return torch
        .cat([revised, away.sum(1, true)], 1)
        .softmax(1)
        .select(1, z.shape[1]!)
        .neg();
    },
  });
}

/** w_c(d) of each image's class. */
function likelihood(distance: Tensor, tails: Readonly<Record<keyof WeibullTail, Tensor>>, classes: Tensor): Tensor {
  const of = (key: keyof WeibullTail) => tails[key].indexSelect(0, classes);
  const y = distance.sub(of('smallest')).div(offset).log1p().sub(of('location'));
  const scale = of('scale');
  const fitted = y.div(scale).exp().neg().expm1().neg();
  return torch.where(scale.eq(0), y.gt(0).to('float64'), fitted);
}

/** The largest distances of each class to its mean are kept while the images pass. */
async function tailsOf(pass: Pass<'logits' | 'labels'>, means: Tensor, size: number): Promise<WeibullTail[]> {
  const largest = Array.from({ length: means.shape[0]! }, (): number[] => []);
  await pass(({ logits, labels }) => {
    const those = rightRows(logits, labels);
    const classes = labels.indexSelect(0, those);
    const distances = logits.indexSelect(0, those).to('float64').sub(means.indexSelect(0, classes)).norm(2, [1]);
    const [of, values] = [classes, distances].map((tensor) => tensor.to('cpu').toArraySync()) as [
      BigInt64Array,
      Float64Array,
    ];
    values.forEach((distance, i) => {
      largest[Number(of[i])]!.push(distance);
    });
    for (const [label, all] of largest.entries())
      if (all.length > size) largest[label] = all.sort((a, b) => b - a).slice(0, size);
  });
  return largest.map(fitTail);
}
