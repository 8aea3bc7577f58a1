// What image detectors that learn have in common; what they have learnt is kept as that of all others (detectors/learnt.ts).

import type { Settings } from '../../known/detectorSettings.js';
import type { Tensor } from '../../tensor/index.js';
import { Learnt } from '../detectors/learnt.js';
import type { EvaluatedDataset } from '../network/batches.js';
import type { Network } from '../network/network.js';
import type { FitOptions, FittedImageDetector } from './imageDetector.js';

export abstract class LearningDetector<S extends string = string> extends Learnt<S> implements FittedImageDetector {
  abstract readonly settings: Settings;
  abstract readonly learnsFrom: FittedImageDetector['learnsFrom'];
  readonly needs = ['network'] as const;

  abstract score(images: Tensor, network: Network): Tensor;
  abstract fit(network: Network, training: EvaluatedDataset, options?: FitOptions): Promise<void>;
}
