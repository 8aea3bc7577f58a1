// Multi-head attention as a layer.

import { expected, IsotorchError } from '../../errors.js';
import { Parameter, type Tensor, torch } from '../../tensor/index.js';
import { type FactoryOptions, factory, flag, probability, wholeNumber } from '../arguments.js';
import { checkOptions } from '../fields.js';
import { type AttentionOptions, multiHeadAttentionForward } from '../functional/attention.js';
import { xavierNormal_, xavierUniform_, zeros_ } from '../init.js';
import { Linear } from '../layers/linear.js';
import { Module } from '../module.js';

export interface MultiheadAttentionOptions extends FactoryOptions {
  /** The probability of dropping an attention weight. @default 0 */
  dropout?: number;
  /** Whether the projections have biases. @default true */
  bias?: boolean;
  /** Whether one learnt key and value is added. @default false */
  addBiasKv?: boolean;
  /** Whether one key and value of zeros is added. @default false */
  addZeroAttn?: boolean;
  /** Features of the keys. @default embedDim */
  kdim?: number | null;
  /** Features of the values. @default embedDim */
  vdim?: number | null;
  /** Whether inputs and output are [N, L, E] instead of [L, N, E]. @default false */
  batchFirst?: boolean;
}

const optionNames = ['dropout', 'bias', 'addBiasKv', 'addZeroAttn', 'kdim', 'vdim', 'batchFirst', 'device', 'dtype'];

/** Linear, under the name by which PyTorch prints an attention's output layer. */
class NonDynamicallyQuantizableLinear extends Linear {}

/**
 * Multi-head attention (`torch.nn.MultiheadAttention`; Vaswani et al. 2017).
 *
 * State: `in_proj_weight` [3·E, E], or `q_proj_weight`, `k_proj_weight` and `v_proj_weight` where keys or values have other
 * sizes, Xavier-uniform at first; `in_proj_bias` and `out_proj.bias` = 0; `out_proj.weight` as Linear's; `bias_k`, `bias_v`.
 * @example const [y, weights] = new nn.MultiheadAttention(64, 8, { batchFirst: true }).forward(x, x, x);
 */
export class MultiheadAttention extends Module<
  [output: Tensor, weights: Tensor | null],
  [query: Tensor, key: Tensor, value: Tensor, options?: AttentionOptions]
> {
  readonly embedDim: number;
  readonly numHeads: number;
  readonly kdim: number;
  readonly vdim: number;
  readonly dropout: number;
  readonly addZeroAttn: boolean;
  readonly batchFirst: boolean;
  inProjWeight: Parameter | null = null;
  qProjWeight: Parameter | null = null;
  kProjWeight: Parameter | null = null;
  vProjWeight: Parameter | null = null;
  inProjBias: Parameter | null = null;
  outProj: Linear;
  biasK: Parameter | null = null;
  biasV: Parameter | null = null;

  constructor(embedDim: number, numHeads: number, options: MultiheadAttentionOptions = {}) {
    super();
    checkOptions(new.target.name, options, optionNames);
    const { dropout = 0, bias = true, addBiasKv = false, addZeroAttn = false, batchFirst = false } = options;
    this.embedDim = wholeNumber(embedDim, 'embedDim');
    this.numHeads = wholeNumber(numHeads, 'numHeads');
    if (embedDim % numHeads !== 0)
      throw new IsotorchError(
        'ERR_ARGUMENT',
        `Expected numHeads that divides embedDim ${embedDim} but received ${numHeads}`,
      );
    this.kdim = wholeNumber(options.kdim ?? embedDim, 'kdim');
    this.vdim = wholeNumber(options.vdim ?? embedDim, 'vdim');
    this.dropout = probability(dropout, 'dropout');
    this.addZeroAttn = flag(addZeroAttn, 'addZeroAttn');
    this.batchFirst = flag(batchFirst, 'batchFirst');
    const kind = factory(options);
    const weight = (rows: number, columns: number) => new Parameter(torch.empty([rows, columns], kind));
    if (this.kdim === embedDim && this.vdim === embedDim) this.inProjWeight = weight(3 * embedDim, embedDim);
    else {
      this.qProjWeight = weight(embedDim, embedDim);
      this.kProjWeight = weight(embedDim, this.kdim);
      this.vProjWeight = weight(embedDim, this.vdim);
    }
    if (flag(bias, 'bias')) this.inProjBias = new Parameter(torch.empty([3 * embedDim], kind));
    this.outProj = new NonDynamicallyQuantizableLinear(embedDim, embedDim, { bias, ...kind });
    if (flag(addBiasKv, 'addBiasKv')) {
      this.biasK = new Parameter(torch.empty([1, 1, embedDim], kind));
      this.biasV = new Parameter(torch.empty([1, 1, embedDim], kind));
    }
    for (const projection of [this.inProjWeight, this.qProjWeight, this.kProjWeight, this.vProjWeight])
      if (projection !== null) xavierUniform_(projection);
    for (const shift of [this.inProjBias, bias ? this.outProj.bias : null]) if (shift !== null) zeros_(shift);
    for (const extra of [this.biasK, this.biasV]) if (extra !== null) xavierNormal_(extra);
  }

  /**
   * @param query [L, N, E] ([N, L, E] with `batchFirst`), or [L, E] for a single example; key and value the same with S.
   * @returns the output in the query's form, and the attention weights, [N, L, S], unless `needWeights: false`.
   * @throws ERR_SHAPE, ERR_DTYPE and ERR_ARGUMENT as `nn.functional.multiHeadAttentionForward`.
   */
  override forward(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    options: AttentionOptions = {},
  ): [output: Tensor, weights: Tensor | null] {
    if (typeof options !== 'object' || options === null) throw expected('an object', 'options', options);
    const { numHeads, inProjWeight, qProjWeight, kProjWeight, vProjWeight, inProjBias, biasK, biasV } = this;
    const { addZeroAttn, dropout, outProj, training } = this;
    const turned = this.batchFirst && query.ndim === 3;
    const turn = (tensor: Tensor) => (turned ? tensor.transpose(0, 1) : tensor);
    const q = turn(query);
    const k = key === query ? q : turn(key); // the same tensor stays the same: one projection serves
    const v = value === key ? k : turn(value);
    const [output, weights] = multiHeadAttentionForward(q, k, v, {
      ...options,
      numHeads,
      inProjWeight,
      qProjWeight,
      kProjWeight,
      vProjWeight,
      inProjBias,
      biasK,
      biasV,
      addZeroAttn,
      dropoutP: dropout,
      outProjWeight: outProj.weight,
      outProjBias: outProj.bias,
      training,
    });
    return [turn(output), weights];
  }

  override brief(): string {
    return `${this.constructor.name} ${this.embedDim}, ${this.numHeads} heads`;
  }
}
