// The Mahalanobis detector on every stage of a network, its scores weighed by a logistic regression.

import { IsotorchError } from '../../errors.js';
import { type DetectorSettings, detectorSettings } from '../../known/detectors.js';
import { type Tensor, tidy, torch } from '../../tensor/index.js';
import type { State } from '../detectors/detector.js';
import type { Shapes } from '../detectors/learnt.js';
import { gaussianOf } from '../detectors/mahalanobis.js';
import { Moments } from '../detectors/moments.js';
import type { EvaluatedDataset } from '../network/batches.js';
import type { Network } from '../network/network.js';
import { Rows } from '../network/rows.js';
import { labelsOf } from './batchLabels.js';
import type { FitOptions, FittedImageDetector } from './imageDetector.js';
import { halfDistance, spatialMean } from './inputMahalanobis.js';
import { LearningDetector } from './learningDetector.js';
import { logisticRegression } from './logisticRegression.js';
import { passThrough } from './passThrough.js';
import { perturbed } from './perturbation.js';

/**
 * `Σ_ℓ w_ℓ·s_ℓ(x̃_ℓ) + b`: the Mahalanobis score `s_ℓ = max_c −½ (f_ℓ − μ_ℓc)ᵀ Σ_ℓ⁻¹ (f_ℓ − μ_ℓc)` of each of the network's stages, f_ℓ the
 * mean of its map over the image, each after a step on the input of its own (`inputMahalanobis`). Weights and intercept are
 * those of a logistic regression that tells the known from the unknown validation images; the score is its log-odds of
 * "known", any number. Without validation images the weights are 1 and b is 0.
 *
 * Lee et al., NeurIPS 2018 (arXiv:1807.03888), section 2.3; pokaxpoka/deep_Mahalanobis_detector, whose regression also chooses
 * C by cross-validation. Which unknown images it was validated with must be told beside any result: with those of the test it
 * has seen what it is asked.
 *
 * Costs one forward pass, and with ε > 0 a backward and two forward passes for every stage.
 *
 * @param settings.C of the logistic regression, above 0: how little its weights are held back. Default 1
 * @param settings.epsilon ε of the step, for pixels from 0 to 1; 0 takes none and needs no gradient. Default 0.0014
 * @param settings.std what the transform divides the channels by (`train.statistics.std`), so that ε means the same in each,
 *   as in the authors' code. Default [1]: ε is in units of the network's input
 * @throws ERR_ARGUMENT for settings that are none or out of range
 * @example
 * const validation = { known: held, unknown: noise };
 * await evaluate(model, { id: test, ood: { svhn }, train, validation, transform, scores: [mahalanobisEnsemble({ epsilon: 0 })] });
 */
export function mahalanobisEnsemble(settings: DetectorSettings<'mahalanobis-ensemble'> = {}): FittedImageDetector {
  return new MahalanobisEnsemble(settings);
}

class MahalanobisEnsemble extends LearningDetector {
  readonly settings;
  readonly learnsFrom = ['labels'] as const;

  constructor(settings: DetectorSettings<'mahalanobis-ensemble'>) {
    super('mahalanobis-ensemble', shapesOf);
    this.settings = detectorSettings('mahalanobis-ensemble', settings);
  }

  score(images: Tensor, network: Network): Tensor {
    return tidy(() =>
      torch.noGrad(() => {
        const state = this.state();
        const scores = this.#layers(images, network, state);
        return scores.matmul(state.weights!.to(scores.device)).add(state.bias!.to(scores.device));
      }),
    );
  }

  /** The scores of every stage: float64 [N, L]. */
  #layers(images: Tensor, network: Network, state: State): Tensor {
    const input = network.input(images);
    const paths = network.stagePaths(input);
    if (state.weights!.shape[0] !== paths.length)
      throw new IsotorchError(
        'ERR_ARGUMENT',
        `${this.name} has learnt ${state.weights!.shape[0]} stages but the network has ${paths.length}: ${paths.join(', ')}`,
      );
    const score = (map: Tensor, stage: number): Tensor => {
      const [means, whitening] = [state[`${stage}.means`]!, state[`${stage}.whitening`]!];
      return halfDistance(spatialMean(map), { means, whitening }).neg();
    };
    const at = (x: Tensor, path: string, stage: number): Tensor =>
      network.stages(x, (map) => score(map, stage), [path]).stages[0]!;
    const scores =
      this.settings.epsilon === 0
        ? network.stages(input, (map, path) => score(map, paths.indexOf(path))).stages
        : paths.map((path, stage) =>
            at(
              perturbed(network, input, this.settings, (x) => at(x, path, stage).neg()),
              path,
              stage,
            ),
          );
    return torch.stack(scores, 1);
  }

  async fit(network: Network, training: EvaluatedDataset, options: FitOptions = {}): Promise<void> {
    const { validation, ...rest } = options;
    const learnt = await this.#gaussians(network, training, rest);
    try {
      if (validation) {
        const weights = await this.#weigh(network, learnt, validation, rest);
        for (const name of ['weights', 'bias']) learnt[name]!.dispose();
        Object.assign(learnt, weights);
      }
    } catch (error) {
      for (const tensor of Object.values(learnt)) tensor.dispose();
      throw error;
    }
    this.replace(learnt);
  }

  /** The Gaussians of all stages, with equal weights; kept. */
  async #gaussians(network: Network, training: EvaluatedDataset, options: FitOptions): Promise<Record<string, Tensor>> {
    const fits: Moments[] = [];
    try {
      await passThrough(
        network,
        training,
        options,
        (images) => {
          const { logits, stages } = network.stages(network.input(images), spatialMean);
          return [logits, ...stages] as const;
        },
        ([{ shape }, ...stages], batch) => {
          const labels = labelsOf(batch, shape[1]!, this.name, stages[0]!);
          stages.forEach((features, stage) => {
            fits[stage] ??= new Moments();
            fits[stage].add(features, labels);
          });
        },
      );
      return tidy(() => {
        const learnt: Record<string, Tensor> = {
          weights: torch.ones([fits.length], { dtype: 'float64' }).keep(),
          bias: torch.zeros([1], { dtype: 'float64' }).keep(),
        };
        fits.forEach((fit, stage) => {
          for (const [name, tensor] of Object.entries(gaussianOf(fit))) learnt[`${stage}.${name}`] = tensor.keep();
        });
        return learnt;
      });
    } finally {
      for (const fit of fits) fit[Symbol.dispose]();
    }
  }

  async #weigh(
    network: Network,
    learnt: State,
    { known, unknown }: NonNullable<FitOptions['validation']>,
    options: FitOptions,
  ): Promise<{ weights: Tensor; bias: Tensor }> {
    const rows = new Rows('the layers’ scores', known.size + unknown.size);
    try {
      const take = (set: EvaluatedDataset): Promise<number> =>
        passThrough(
          network,
          set,
          options,
          (images) => [this.#layers(images, network, learnt)] as const,
          ([scores]) => rows.append(scores.to('cpu')),
        );
      const counts = [await take(known), await take(unknown)] as const;
      return tidy(() => {
        const scores = rows.finish();
        try {
          const kind = (count: number, value: number) => torch.full([count], value, { dtype: 'float64' });
          const positive = torch.cat([kind(counts[0], 1), kind(counts[1], 0)]);
          const { weights, bias } = logisticRegression(scores, positive, this.settings.C);
          return { weights: weights.keep(), bias: bias.keep() };
        } finally {
          scores.dispose();
        }
      });
    } finally {
      rows.dispose();
    }
  }
}

/** Those of as many stages as there are tensors of. */
function shapesOf(state: State): Shapes {
  const stages = Math.max(1, Math.floor((Object.keys(state).length - 2) / 2));
  const ofStages = Array.from({ length: stages }, (_, stage) => [
    [`${stage}.means`, ['K', `D${stage}`]],
    [`${stage}.whitening`, [`D${stage}`, `D${stage}`]],
  ]);
  return { weights: [`${stages}`], bias: ['1'], ...Object.fromEntries(ofStages.flat()) };
}
