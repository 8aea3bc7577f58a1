// How many training images are alike in features and in predicted classes: an image's degree in a graph of relations.

import { type DetectorSettings, detectorSettings } from '../../known/detectors.js';
import { type Tensor, tidy, torch } from '../../tensor/index.js';
import { bankDtype, byQueries, byRows, Collected, directions } from './bank.js';
import type { FittedDetector } from './detector.js';
import { fittedDetector } from './fitted.js';

/** Bank rows at a time: some matrices of 512 queries × this in float64, 32 MiB each. */
const RELATION_ROWS = 1 << 13;

/**
 * Neural relation score: Σ_i r_i^pow over the training images with r_i > threshold, where r_i = max(0, ⟨f̂, f̂_i⟩) · ⟨p, p_i⟩,
 * f̂ = f / ‖f‖ and p = softmax(z); from 0 to their number. Kim et al., "Neural Relation Graph: A Unified Framework for
 * Identifying Label Noise and Outlier Data", 2023 (arXiv:2301.12321), section 3; `relation_postprocessor.py` in
 * Jingkang50/OpenOOD. There the norm has 1e-10 added inside its root, here features of norm 0 are related to none.
 *
 * The bank keeps all training features and logits as they came (float32 or float64); products are float64, because a
 * rounded relation may fall on the other side of the threshold.
 *
 * @param settings.pow power of a relation. Default 1; OpenOOD sweeps 1, 2, 4, 6, 8
 * @param settings.threshold relations up to this count as none. Default 0.03
 * @throws ERR_ARGUMENT for options out of range; fit: ERR_DATA for values that are not finite
 * @example
 * const detector = ood.relation();
 * await detector.fit(training); // features [N, D] and logits [N, C]
 * const scores = detector.score(test);
 */
export function relation(settings: DetectorSettings<'relation'> = {}): FittedDetector {
  const own = detectorSettings('relation', settings);
  const { pow, threshold } = own;
  return fittedDetector({
    name: 'relation',
    settings: own,
    needs: ['features', 'logits'],
    learnsFrom: ['features', 'logits'],
    rows: 256,
    shapes: { features: ['M', 'D'], logits: ['M', 'C'] },
    inFeaturesDtype: ['features', 'logits'],
    async learn(pass) {
      using rows = new Collected();
      using outputs = new Collected();
      await pass(({ features, logits }) => {
        rows.add(features.to(bankDtype(features)));
        outputs.add(logits.to(bankDtype(logits)));
      });
      return tidy(() => ({ features: rows.joined(), logits: outputs.joined() }));
    },
    score: ({ features, logits }, bank) => {
      const [queries, beliefs] = [directions(features), probabilities(logits)];
      const sums = torch.zeros([queries.shape[0]!], { dtype: 'float64', device: queries.device });
      // Bank outside, queries inside: each stretch of the bank is normalised once.
      const use = (start: number, length: number) =>
        tidy(() => {
          const towards = directions(bank.features.narrow(0, start, length)).t();
          const likely = probabilities(bank.logits.narrow(0, start, length)).t();
          const part = byQueries(queries, (some, from) => {
            const relations = some.matmul(towards).clampMin_(0);
            relations.mul_(beliefs.narrow(0, from, some.shape[0]!).matmul(likely));
            return torch.where(relations.le(threshold), 0, relations.pow(pow)).sum(1);
          });
          sums.add_(part);
        });
      byRows(bank.features.shape[0]!, use, RELATION_ROWS);
      return sums;
    },
  });
}

const probabilities = (logits: Tensor): Tensor => logits.to('float64').softmax(1);
