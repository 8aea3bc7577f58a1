// Sums, means or maxima of the rows of a learnt table.

import { Parameter, type Tensor } from '../../tensor/index.js';
import { type FactoryOptions, factory } from '../arguments.js';
import { choice, flag, float, hidden, integer, made, orNull, positive, read, show, unusual } from '../fields.js';
import * as F from '../functional/embedding.js';
import { Module } from '../module.js';
import { firstRows, givenRows, rowOf, tableFields } from './embedding.js';

export interface EmbeddingBagLayerOptions
  extends Omit<F.EmbeddingBagOptions, 'offsets' | 'perSampleWeights'>,
    FactoryOptions {}

const fields = {
  ...tableFields,
  maxNorm: unusual(orNull(positive())),
  normType: unusual(float(2)),
  scaleGradByFreq: unusual(flag(false)),
  mode: choice<F.BagMode>('mean', 'sum', 'max'),
  sparse: hidden(flag(false)),
  includeLastOffset: hidden(flag(false)),
  paddingIdx: unusual(orNull(integer())),
};

/**
 * The sum, mean or maximum of the rows that a bag of numbers names (`torch.nn.EmbeddingBag`): [bags, size], or all numbers
 * in one dimension and the offsets at which bags begin → [bags, embeddingDim].
 *
 * State: `weight` [numEmbeddings, embeddingDim], N(0, 1) at first, the row of `paddingIdx` 0.
 */
export class EmbeddingBag extends Module<
  Tensor,
  [input: Tensor, offsets?: Tensor | null, perSampleWeights?: Tensor | null]
> {
  readonly numEmbeddings: number;
  readonly embeddingDim: number;
  readonly maxNorm: number | null;
  readonly normType: number;
  readonly scaleGradByFreq: boolean;
  readonly mode: F.BagMode;
  readonly sparse: boolean;
  readonly includeLastOffset: boolean;
  readonly paddingIdx: number | null;
  weight: Parameter;

  constructor(...args: [numEmbeddings: number, embeddingDim: number, options?: EmbeddingBagLayerOptions]) {
    super();
    const { device, dtype, ...settings } = read(new.target.name, { ...fields, ...made }, args);
    this.numEmbeddings = settings.numEmbeddings;
    this.embeddingDim = settings.embeddingDim;
    this.maxNorm = settings.maxNorm;
    this.normType = settings.normType;
    this.scaleGradByFreq = settings.scaleGradByFreq;
    this.mode = settings.mode;
    this.sparse = settings.sparse;
    this.includeLastOffset = settings.includeLastOffset;
    this.paddingIdx = rowOf(settings.paddingIdx, settings.numEmbeddings);
    this.weight = firstRows(this.numEmbeddings, this.embeddingDim, this.paddingIdx, factory({ device, dtype }));
  }

  /**
   * A layer with the table that is given (`EmbeddingBag.from_pretrained`), which it shares.
   * @param options.freeze whether it stays as it is in training. @default true
   */
  static fromPretrained(
    embeddings: Tensor,
    { freeze = true, ...options }: EmbeddingBagLayerOptions & { freeze?: boolean } = {},
  ): EmbeddingBag {
    const layer = new EmbeddingBag(...givenRows(embeddings), { ...options, device: 'meta' });
    layer.weight = new Parameter(embeddings, !freeze);
    return layer;
  }

  override forward(input: Tensor, offsets: Tensor | null = null, perSampleWeights: Tensor | null = null): Tensor {
    const { maxNorm, normType, scaleGradByFreq, mode, sparse, includeLastOffset, paddingIdx } = this;
    return F.embeddingBag(input, this.weight, {
      offsets,
      perSampleWeights,
      ...{ maxNorm, normType, scaleGradByFreq, mode, sparse, includeLastOffset, paddingIdx },
    });
  }

  override extraRepr(): string {
    return show(fields, this);
  }
}
