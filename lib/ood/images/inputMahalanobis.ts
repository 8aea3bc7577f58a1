// The Mahalanobis detector with a step on the input, on one layer.

import { expected } from '../../errors.js';
import { type Tensor, tidy, torch } from '../../tensor/index.js';
import type { Settings, State } from '../detectors/detector.js';
import type { EvaluatedDataset } from '../network/batches.js';
import type { Network } from '../network/network.js';
import { type Gaussian, GaussianFit, gaussianScore } from './gaussian.js';
import type { FitOptions, FittedImageDetector } from './imageDetector.js';
import { labelsOf } from './labels.js';
import { LearningDetector } from './learningDetector.js';
import { passThrough } from './passThrough.js';
import { type Perturbation, type PerturbationOptions, perturbation, perturbed } from './perturbation.js';

export interface InputMahalanobisOptions extends PerturbationOptions {
  /** The path of the module whose result is taken, its mean over the image. @default null: the features of the last layer */
  layer?: string | null;
}

/**
 * `max_c −½ (f(x̃) − μ_c)ᵀ Σ⁻¹ (f(x̃) − μ_c)` with class means μ_c and one covariance Σ of the training images (divided by N,
 * pseudo-inverse), after the step `x̃ = x − ε·sign(∇ₓ ½ min_c (f − μ_c)ᵀ Σ⁻¹ (f − μ_c)) / std` towards the nearest class. At
 * most 0. Classes without training images have no part in it. Costs a backward and a second forward pass unless ε is 0.
 *
 * Lee et al., "A Simple Unified Framework for Detecting Out-of-Distribution Samples and Adversarial Attacks", NeurIPS 2018
 * (arXiv:1807.03888), eq. 1 to 3. Learns from labelled images in one pass.
 *
 * @throws ERR_ARGUMENT
 * @example
 * const detector = inputMahalanobis({ epsilon: 0.002, std: train.statistics.std });
 * await evaluate(model, { id: test, ood: { svhn }, train, transform, scores: [detector] });
 */
export function inputMahalanobis(options: InputMahalanobisOptions = {}): FittedImageDetector {
  return new InputMahalanobis(options);
}

class InputMahalanobis extends LearningDetector {
  readonly name = 'input-mahalanobis';
  readonly settings: Settings;
  readonly #layer: string | null;
  readonly #step: Perturbation;

  constructor(options: InputMahalanobisOptions) {
    super();
    const { layer = null } = options;
    if (layer !== null && typeof layer !== 'string') throw expected("a module's path or null", 'layer', layer);
    this.#layer = layer;
    this.#step = perturbation(options);
    this.settings = { layer, ...this.#step };
  }

  score(images: Tensor, network: Network): Tensor {
    return tidy(() =>
      torch.noGrad(() => {
        const [state, input] = [this.state(), network.input(images)];
        const gaussian = gaussianIn((name) => state[name]!.to(input.device));
        const score = (x: Tensor): Tensor => gaussianScore(this.#features(x, network).features, gaussian);
        return score(perturbed(network, input, this.#step, (x) => score(x).neg()));
      }),
    );
  }

  async fit(network: Network, training: EvaluatedDataset, options: FitOptions = {}): Promise<void> {
    let fit: GaussianFit | undefined;
    try {
      await passThrough(
        network,
        training,
        options,
        (images) => {
          const { logits, features } = this.#features(network.input(images), network);
          return [features, logits] as const;
        },
        ([features, { shape }], batch) => {
          fit ??= new GaussianFit(shape[1]!);
          fit.add(features, labelsOf(batch, shape[1]!, this.name));
        },
      );
      this.replace({ ...fit!.finish() });
    } finally {
      fit?.dispose();
    }
  }

  #features(input: Tensor, network: Network): { logits: Tensor; features: Tensor } {
    if (this.#layer === null) return network.outputs(input);
    const { logits, stages } = network.stages(input, spatialMean, [this.#layer]);
    return { logits, features: stages[0]! };
  }

  protected override problemOf(state: State): string | undefined {
    return problemOf(state);
  }
}

/** [N, C, …] → [N, C] */
export const spatialMean = (map: Tensor): Tensor => (map.ndim === 2 ? map.clone() : map.flatten(2).mean([2]));

/** A Gaussian in a state, whose names may have a prefix. */
export function gaussianIn(part: (name: string) => Tensor): Gaussian {
  return { shift: part('shift'), whitening: part('whitening'), centres: part('centres') };
}

/** What is wrong with the shapes of a Gaussian. */
export function gaussianProblem({ shift, whitening, centres }: Partial<Gaussian>): string | undefined {
  if (!shift || !whitening || !centres) return 'shift, whitening or centres are missing';
  const [size, rank] = whitening.shape;
  const fits =
    whitening.ndim === 2 && shift.shape.join() === `${size}` && centres.ndim === 2 && centres.shape[1] === rank;
  return fits
    ? undefined
    : `the shapes [${shift.shape}], [${whitening.shape}] and [${centres.shape}] of shift, whitening and centres do not fit`;
}

function problemOf(state: State): string | undefined {
  const { shift, whitening, centres, ...rest } = state;
  const [unknown] = Object.keys(rest);
  return unknown ? `${unknown} is none of it` : gaussianProblem(state);
}
