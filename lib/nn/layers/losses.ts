// Losses as layers, a row each: forward(input, target) gives what the function of the same name in `nn.functional` gives.
// Their weights of classes belong to their state, as in PyTorch.

import type { Tensor } from '../../tensor/index.js';
import { buffer, choice, flag, float, hidden, integer, positive, probability, whole } from '../fields.js';
import * as F from '../functional/index.js';
import { layer } from '../layer.js';

type Pair = [input: Tensor, target: Tensor];
type Triple = [input1: Tensor, input2: Tensor, target: Tensor];

const reduction = hidden(choice('mean', 'sum', 'none'));
const ignoreIndex = hidden(integer(-100));
const weight = buffer();

// ---- predicted numbers

/** |x − y| (`torch.nn.L1Loss`). */
export class L1Loss extends layer<[options?: F.ReductionOptions], Pair>()(
  { reduction },
  (x, y, { reduction }) => F.l1Loss(x, y, { reduction }),
  2,
) {}

/** (x − y)² (`torch.nn.MSELoss`). */
export class MSELoss extends layer<[options?: F.ReductionOptions], Pair>()(
  { reduction },
  (x, y, { reduction }) => F.mseLoss(x, y, { reduction }),
  2,
) {}

/** Quadratic below `beta`, 1, and linear above (`torch.nn.SmoothL1Loss`). */
export class SmoothL1Loss extends layer<[options?: F.ReductionOptions & { beta?: number }], Pair>()(
  { reduction, beta: hidden(float(1)) },
  F.smoothL1Loss,
  2,
) {}

/** Quadratic below `delta`, 1, and linear above, δ times `SmoothL1Loss` (`torch.nn.HuberLoss`). */
export class HuberLoss extends layer<[options?: F.ReductionOptions & { delta?: number }], Pair>()(
  { reduction, delta: hidden(float(1)) },
  (x, y, { reduction, delta }) => F.huberLoss(x, y, { reduction, delta }),
  2,
) {}

/** −log of a Poisson distribution whose rate is predicted (`torch.nn.PoissonNLLLoss`). */
export class PoissonNLLLoss extends layer<[options?: F.PoissonOptions], Pair>()(
  { logInput: hidden(flag(true)), full: hidden(flag(false)), eps: hidden(float(1e-8)), reduction },
  F.poissonNllLoss,
  2,
) {}

/** −log of a normal distribution whose mean and variance are predicted (`torch.nn.GaussianNLLLoss`). */
export class GaussianNLLLoss extends layer<
  [options?: F.GaussianOptions],
  [input: Tensor, target: Tensor, variance: Tensor | number]
>()({ full: hidden(flag(false)), eps: hidden(float(1e-6)), reduction }, F.gaussianNllLoss, 3) {}

// ---- classes

/** −log softmax of logits [N, C, …] for classes [N, …] or for probabilities (`torch.nn.CrossEntropyLoss`). */
export class CrossEntropyLoss extends layer<[options?: F.CrossEntropyOptions], Pair>()(
  { weight, ignoreIndex, reduction, labelSmoothing: hidden(probability(0)) },
  F.crossEntropy,
  2,
) {}

/** −xᵧ of log-probabilities [N, C, …] for classes [N, …] (`torch.nn.NLLLoss`). */
export class NLLLoss extends layer<[options?: F.NllOptions], Pair>()(
  { weight, ignoreIndex, reduction },
  F.nllLoss,
  2,
) {}

/** Binary cross-entropy of probabilities (`torch.nn.BCELoss`). */
export class BCELoss extends layer<[options?: F.ClassOptions], Pair>()(
  { weight, reduction },
  F.binaryCrossEntropy,
  2,
) {}

/** Binary cross-entropy of logits, computed stably (`torch.nn.BCEWithLogitsLoss`). */
export class BCEWithLogitsLoss extends layer<[options?: F.LogitsOptions], Pair>()(
  { weight, reduction, posWeight: buffer() },
  F.binaryCrossEntropyWithLogits,
  2,
) {}

/** The Kullback–Leibler divergence of log-probabilities; `'batchmean'` is the divergence (`torch.nn.KLDivLoss`). */
export class KLDivLoss extends layer<[options?: F.KLDivOptions], Pair>()(
  { reduction: hidden(choice('mean', 'sum', 'none', 'batchmean')), logTarget: hidden(flag(false)) },
  F.klDiv,
  2,
) {}

/** How far wrong classes come near the right one, to the power `p` (`torch.nn.MultiMarginLoss`). */
export class MultiMarginLoss extends layer<[options?: F.MultiMarginOptions], Pair>()(
  { p: hidden(whole(1)), margin: hidden(float(1)), weight, reduction },
  F.multiMarginLoss,
  2,
) {}

/** The same for several right classes, listed up to −1 (`torch.nn.MultiLabelMarginLoss`). */
export class MultiLabelMarginLoss extends layer<[options?: F.ReductionOptions], Pair>()(
  { reduction },
  F.multilabelMarginLoss,
  2,
) {}

/** Binary cross-entropy of each class, averaged over classes (`torch.nn.MultiLabelSoftMarginLoss`). */
export class MultiLabelSoftMarginLoss extends layer<[options?: F.ClassOptions], Pair>()(
  { weight, reduction },
  F.multilabelSoftMarginLoss,
  2,
) {}

/** log(1 + e^(−y·x)) for targets −1 and 1 (`torch.nn.SoftMarginLoss`). */
export class SoftMarginLoss extends layer<[options?: F.ReductionOptions], Pair>()({ reduction }, F.softMarginLoss, 2) {}

/** Connectionist temporal classification of log-probabilities [T, N, C] (Graves et al. 2006; `torch.nn.CTCLoss`). */
export class CTCLoss extends layer<
  [options?: F.CTCOptions],
  [
    logProbs: Tensor,
    targets: Tensor,
    inputLengths: Tensor | readonly number[],
    targetLengths: Tensor | readonly number[],
  ]
>()({ blank: hidden(whole(0, 0)), reduction, zeroInfinity: hidden(flag(false)) }, F.ctcLoss, 4) {}

// ---- pairs and triplets

/** A distance where y = 1, its lack of margin, 1, where y = −1 (`torch.nn.HingeEmbeddingLoss`). */
export class HingeEmbeddingLoss extends layer<[options?: F.MarginOptions], Pair>()(
  { margin: hidden(float(1)), reduction },
  F.hingeEmbeddingLoss,
  2,
) {}

/** Wants x₁ above x₂ by `margin`, 0, where y = 1, and below where y = −1 (`torch.nn.MarginRankingLoss`). */
export class MarginRankingLoss extends layer<[options?: F.MarginOptions], Triple>()(
  { margin: hidden(float(0)), reduction },
  F.marginRankingLoss,
  3,
) {}

/** 1 − cos where y = 1, max(0, cos − margin) where y = −1, margin 0 (`torch.nn.CosineEmbeddingLoss`). */
export class CosineEmbeddingLoss extends layer<[options?: F.MarginOptions], Triple>()(
  { margin: hidden(float(0)), reduction },
  F.cosineEmbeddingLoss,
  3,
) {}

/** max(0, ‖a − p‖ − ‖a − n‖ + margin), margin 1 (`torch.nn.TripletMarginLoss`). */
export class TripletMarginLoss extends layer<
  [options?: F.TripletOptions],
  [anchor: Tensor, positive: Tensor, negative: Tensor]
>()(
  { margin: hidden(positive(1)), p: hidden(float(2)), eps: hidden(float(1e-6)), swap: hidden(flag(false)), reduction },
  F.tripletMarginLoss,
  3,
) {}
