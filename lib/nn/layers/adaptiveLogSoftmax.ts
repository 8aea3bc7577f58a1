// Softmax over many classes at little cost (Grave et al. 2017): frequent classes have logits of their own; rare ones share
// one logit for their cluster and are told apart by a narrower layer, which only the rows of that cluster pass.

import { expected, IsotorchError } from '../../errors.js';
import { capture, type Tensor, torch } from '../../tensor/index.js';
import { type FactoryOptions, factory } from '../arguments.js';
import { flag, float, integers, made, read, whole } from '../fields.js';
import { Module } from '../module.js';
import { ModuleList } from '../moduleList.js';
import { Sequential } from '../sequential.js';
import { Linear } from './linear.js';

export interface AdaptiveLogSoftmaxOptions extends FactoryOptions {
  /** Each cluster's layer is this much narrower than the one before. @default 4 */
  divValue?: number;
  /** Whether the head has a bias. @default false */
  headBias?: boolean;
}

/** The log-probability of each row's own class, and its mean with the sign turned. */
export interface AdaptiveLoss {
  output: Tensor;
  loss: Tensor;
}

const fields = {
  inFeatures: whole(),
  nClasses: whole(),
  cutoffs: integers(),
  divValue: float(4),
  headBias: flag(false),
  ...made,
};

/**
 * `torch.nn.AdaptiveLogSoftmaxWithLoss`. Classes are sorted by frequency: those below `cutoffs[0]` are the head's, each
 * further cutoff ends a cluster. Not for captured steps: which rows pass a cluster's layer depends on the targets' values.
 *
 * State: `head.weight`, and for each cluster i `tail.i.0.weight` and `tail.i.1.weight`.
 * @example new nn.AdaptiveLogSoftmaxWithLoss(64, 1000, [20, 200]).forward(features, labels).loss;
 */
export class AdaptiveLogSoftmaxWithLoss extends Module<AdaptiveLoss, [input: Tensor, target: Tensor]> {
  readonly inFeatures: number;
  readonly nClasses: number;
  /** With the number of classes at the end. */
  readonly cutoffs: readonly number[];
  readonly divValue: number;
  readonly headBias: boolean;
  readonly head: Linear;
  readonly tail: ModuleList<Sequential>;

  constructor(
    ...args: [inFeatures: number, nClasses: number, cutoffs: readonly number[], options?: AdaptiveLogSoftmaxOptions]
  ) {
    super();
    const { inFeatures, nClasses, cutoffs, divValue, headBias, ...options } = read(new.target.name, fields, args);
    const rising = cutoffs.every((cutoff, i) => cutoff > (cutoffs[i - 1] ?? 0) && cutoff < nClasses);
    if (cutoffs.length === 0 || !rising) throw expected(`rising numbers from 1 to ${nClasses - 1}`, 'cutoffs', cutoffs);
    const kind = factory(options);
    this.inFeatures = inFeatures;
    this.nClasses = nClasses;
    this.cutoffs = [...cutoffs, nClasses];
    this.divValue = divValue;
    this.headBias = headBias;
    this.head = new Linear(inFeatures, this.shortlistSize + cutoffs.length, { bias: headBias, ...kind });
    this.tail = new ModuleList(
      cutoffs.map((cutoff, i) => {
        const width = Math.floor(inFeatures / divValue ** (i + 1));
        const classes = (this.cutoffs[i + 1] as number) - cutoff;
        const plain = { bias: false, ...kind };
        return new Sequential(new Linear(inFeatures, width, plain), new Linear(width, classes, plain));
      }),
    );
  }

  /** How many classes the head tells apart by itself. */
  get shortlistSize(): number {
    return this.cutoffs[0] as number;
  }

  /** @param input [N, in] or [in] @param target [N] or [] @throws ERR_SHAPE for others; ERR_INDEX for other classes. */
  override forward(input: Tensor, target: Tensor): AdaptiveLoss {
    this.check(input, target);
    const rows = input.ndim === 1 ? input.unsqueeze(0) : input;
    const classes = target.ndim === 0 ? target.unsqueeze(0) : target;
    let inCluster = torch.zeros([rows.shape[0] as number], { dtype: rows.dtype, device: rows.device });
    let column = classes;
    for (const [i, cluster] of [...this.tail].entries()) {
      const [low, high] = this.cutoffs.slice(i, i + 2) as [number, number];
      const mask = classes.ge(low).logicalAnd(classes.lt(high));
      const places = mask.nonzero().squeeze(1);
      if (places.numel() === 0) continue; // its layer gets no gradient, rather than one of zeros
      const own = classes.indexSelect(0, places).sub(low).unsqueeze(1);
      const logProbs = cluster.forward(rows.indexSelect(0, places)).logSoftmax(1).gather(1, own).squeeze(1);
      inCluster = inCluster.indexCopy(0, places, logProbs);
      column = column.maskedFill(mask, this.shortlistSize + i);
    }
    const output = inCluster.add(this.head.forward(rows).logSoftmax(1).gather(1, column.unsqueeze(1)).squeeze(1));
    return { output: target.ndim === 0 ? output.squeeze(0) : output, loss: output.neg().mean() };
  }

  /** The log-probabilities of all classes, [N, classes]. */
  logProb(input: Tensor): Tensor {
    const head = this.head.forward(input).logSoftmax(1);
    const clusters = [...this.tail].map((cluster, i) =>
      cluster
        .forward(input)
        .logSoftmax(1)
        .add(head.narrow(1, this.shortlistSize + i, 1)),
    );
    return torch.cat([head.narrow(1, 0, this.shortlistSize), ...clusters], 1);
  }

  /** The likeliest class of each row, [N]; clusters are looked into for those rows only that need it. */
  predict(input: Tensor): Tensor {
    const best = this.head.forward(input).argmax(1);
    const rare = best.ge(this.shortlistSize).nonzero().squeeze(1);
    return best.indexCopy(0, rare, this.logProb(input.indexSelect(0, rare)).argmax(1));
  }

  protected check(input: Tensor, target: Tensor): void {
    const [given, wanted] = [input.shape, target.shape];
    if (wanted.length > 1 || given.length !== wanted.length + 1 || (wanted.length === 1 && given[0] !== wanted[0]))
      throw new IsotorchError(
        'ERR_SHAPE',
        `${this.constructor.name}: expected input [N, features] and target [N], or [features] and [], received [${given.join(', ')}] and [${wanted.join(', ')}]`,
      );
    const outside = capture.outside(() => target.lt(0).logicalOr(target.ge(this.nClasses)).any().item());
    if (outside)
      throw new IsotorchError(
        'ERR_INDEX',
        `${this.constructor.name}: expected targets from 0 to ${this.nClasses - 1}, received others`,
      );
  }
}
