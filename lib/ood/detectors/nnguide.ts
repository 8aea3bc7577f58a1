// Nearest-neighbour guidance: the energy of an image, weighted by how well it agrees with confident training images.

import { type DetectorSettings, detectorSettings } from '../../known/detectors.js';
import { tidy, torch } from '../../tensor/index.js';
import { byQueries, Collected, directions, enoughRows } from './bank.js';
import type { FittedDetector } from './detector.js';
import { fittedDetector } from './fitted.js';

/**
 * NNGuide: E(f) · mean of the k largest ⟨f̂, E(f_i) f̂_i⟩ over the bank, with E = ln Σ exp z and f̂ = f / ‖f‖. Park et al.,
 * "Nearest Neighbor Guidance for Out-of-Distribution Detection", 2023 (arXiv:2309.14888), eq. 5 and 6;
 * `nnguide_postprocessor.py` in Jingkang50/OpenOOD, which takes the first images of a shuffled loader for its bank where this
 * draws ⌈fraction · N⌉ of them by a seed.
 *
 * Works with any head, but is meant for energies that are positive: with logits that are −distances both factors change sign.
 * Fit: two passes, the first only counts.
 *
 * @param settings.k neighbours averaged over. Default 100
 * @param settings.fraction share of the training images that the bank keeps, above 0 and up to 1. Default 0.01
 * @param settings.seed of the choice of those images: the same seed and number of images choose the same rows. Default 0
 * @throws ERR_ARGUMENT for options out of range; fit: ERR_DATA when the bank has fewer images than k, for values not finite
 * @example
 * const detector = ood.nnguide({ k: 10, fraction: 0.1 });
 * await detector.fit(training); // features [N, D] and logits [N, C]
 * const scores = detector.score(test);
 */
export function nnguide(settings: DetectorSettings<'nnguide'> = {}): FittedDetector {
  const own = detectorSettings('nnguide', settings);
  const { k, fraction, seed } = own;
  return fittedDetector({
    name: 'nnguide',
    settings: own,
    needs: ['features', 'logits'],
    learnsFrom: ['features', 'logits'],
    shapes: { bank: ['M', 'D'] },
    async learn(pass) {
      const rows = await pass(() => {});
      const size = Math.ceil(fraction * rows);
      enoughRows(
        size,
        k,
        'nnguide',
        `it is a share of ${fraction} of ${rows}: choose a larger fraction or a smaller k`,
      );
      const chosen = drawn(rows, size, seed);
      using bank = new Collected();
      let [start, next] = [0, 0];
      await pass(({ features, logits }) => {
        const [first, end] = [next, start + features.shape[0]!];
        while (next < size && chosen[next]! < end) next++;
        if (next > first) {
          const places = Array.from(chosen.subarray(first, next), (row) => row - start);
          const take = torch.tensor(places, { dtype: 'int64', device: features.device });
          const energies = logits.indexSelect(0, take).to('float64').logsumexp([1], true);
          bank.add(directions(features.indexSelect(0, take)).mul(energies));
        }
        start = end;
      });
      return tidy(() => ({ bank: bank.joined() }));
    },
    score: ({ features, logits }, { bank }) => {
      enoughRows(bank.shape[0]!, k, 'nnguide', 'the bank that was loaded is of a fit with a smaller k');
      const guidance = byQueries(directions(features), (part) =>
        part.matmul(bank.t()).topk(k, 1, true, false).values.mean(1),
      );
      return guidance.mul_(logits.to('float64').logsumexp([1]));
    },
  });
}

/** `size` of the row numbers below `rows`, ascending. */
function drawn(rows: number, size: number, seed: number): Float64Array {
  return tidy(() => {
    const generator = new torch.Generator().manualSeed(seed);
    const order = torch.randperm(rows, { generator }).narrow(0, 0, size).to('float64');
    return (order.toArraySync() as Float64Array).sort();
  });
}
