// k-th nearest neighbour among the training features, on the unit sphere.

import { type DetectorSettings, detectorSettings } from '../../known/detectors.js';
import { tidy } from '../../tensor/index.js';
import { bankDtype, Collected, directions, enoughRows } from './bank.js';
import type { FittedDetector } from './detector.js';
import { fittedDetector } from './fitted.js';
import { kthSquaredDistance } from './neighbours.js';

/**
 * Nearest-neighbour score: −‖f̂ − f̂_(k)‖², from −4 to 0, with f̂ = f / ‖f‖ and f̂_(k) its k-th nearest among the training
 * features. Sun et al., "Out-of-Distribution Detection with Deep Nearest Neighbors", 2022 (arXiv:2204.06507), eq. 3; squared
 * as in `knn_postprocessor.py` of Jingkang50/OpenOOD, whose index (faiss IndexFlatL2) returns squares; ranks are the paper's.
 *
 * Exact. Features of norm 0 are at distance 1 from all others. The bank is kept normalised, in float32 or, for float64
 * features, in float64: M·D numbers; a score needs some 130 MiB beside it and its own rows.
 *
 * @param settings.k which neighbour. Default 50; OpenOOD sweeps 50, 100, 200, 500, 1000
 * @throws ERR_ARGUMENT for a k that is no whole number; fit: ERR_DATA for fewer images than k, features that are not finite
 * @example
 * const detector = ood.knn({ k: 50 });
 * await detector.fit(training); // features [N, D]
 * const scores = detector.score(test);
 */
export function knn(settings: DetectorSettings<'knn'> = {}): FittedDetector {
  const own = detectorSettings('knn', settings);
  const { k } = own;
  return fittedDetector({
    name: 'knn',
    settings: own,
    needs: ['features'],
    learnsFrom: ['features'],
    rows: 512,
    shapes: { bank: ['M', 'D'], halfSquares: ['M'] },
    inFeaturesDtype: ['bank'],
    async learn(pass) {
      using bank = new Collected();
      using halfSquares = new Collected();
      const rows = await pass(({ features }) => {
        const kept = directions(features).to(bankDtype(features));
        bank.add(kept);
        halfSquares.add(kept.to('float64').square().sum(1).mul_(0.5));
      });
      enoughRows(rows, k, 'knn', 'choose a smaller k or give more training images');
      return tidy(() => ({ bank: bank.joined(), halfSquares: halfSquares.joined() }));
    },
    score: ({ features }, learnt) => {
      enoughRows(learnt.bank.shape[0]!, k, 'knn', 'the bank that was loaded is of a fit with a smaller k');
      return kthSquaredDistance(directions(features).to(learnt.bank.dtype), learnt, k).neg();
    },
  });
}
