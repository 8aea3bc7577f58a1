// The layers of a transformer: self-attention, attention to a memory, and a feed-forward network, each with dropout, a
// residual connection and layer normalisation after it (as published) or before it (`normFirst`).

import { expected } from '../../errors.js';
import type { Tensor } from '../../tensor/index.js';
import { type FactoryOptions, factory, flag, wholeNumber } from '../arguments.js';
import { Dropout } from '../layers/dropout.js';
import { LayerNorm } from '../layers/layerNorm.js';
import { Linear } from '../layers/linear.js';
import { type AnyModule, Module } from '../module.js';
import { undrawn } from '../undrawn.js';
import { MultiheadAttention } from './multiheadAttention.js';

/** Between the two products of the feed-forward network. A module is shared by the copies of a layer. */
export type Activation = 'relu' | 'gelu' | ((input: Tensor) => Tensor) | Module<Tensor, [input: Tensor]>;

export interface TransformerLayerOptions extends FactoryOptions {
  /** Width of the feed-forward network. @default 2048 */
  dimFeedforward?: number;
  /** @default 0.1 */
  dropout?: number;
  /** @default 'relu' */
  activation?: Activation;
  /** @default 1e-5 */
  layerNormEps?: number;
  /** Whether inputs and outputs are [N, L, E] instead of [L, N, E]. @default false */
  batchFirst?: boolean;
  /** Whether normalisation comes before attention and feed-forward network. @default false */
  normFirst?: boolean;
  /** Whether linear layers and normalisations learn a bias. @default true */
  bias?: boolean;
}

/** Masks, as MultiheadAttention's. */
export interface AttentionMasks {
  mask?: Tensor | null;
  keyPaddingMask?: Tensor | null;
  /** A hint that `mask` is the causal one. @default false */
  isCausal?: boolean;
}

function functionOf(activation: Activation): (input: Tensor) => Tensor {
  if (activation === 'relu') return (input) => input.relu();
  if (activation === 'gelu') return (input) => input.gelu();
  if (activation instanceof Module) return (input) => activation.forward(input);
  if (typeof activation !== 'function')
    throw expected("'relu', 'gelu', a function or a Module", 'activation', activation);
  return activation;
}

/** What both kinds of layer have, made in PyTorch's order. */
abstract class TransformerLayer<Inputs extends unknown[]> extends Module<Tensor, Inputs> {
  readonly normFirst: boolean;
  readonly batchFirst: boolean;
  abstract readonly linear1: Linear;
  abstract readonly dropout: Dropout;
  abstract readonly linear2: Linear;
  readonly #activate: (input: Tensor) => Tensor;
  protected readonly options: readonly [dModel: number, nhead: number, options: TransformerLayerOptions];

  constructor(dModel: number, nhead: number, options: TransformerLayerOptions) {
    super();
    this.options = [wholeNumber(dModel, 'dModel'), wholeNumber(nhead, 'nhead'), options];
    this.normFirst = flag(options.normFirst ?? false, 'normFirst');
    this.batchFirst = flag(options.batchFirst ?? false, 'batchFirst');
    this.#activate = functionOf(options.activation ?? 'relu');
  }

  /** x + block(norm(x)), or norm(x + block(x)). */
  protected residual(x: Tensor, norm: LayerNorm, block: (x: Tensor) => Tensor): Tensor {
    return this.normFirst ? x.add(block(norm.forward(x))) : norm.forward(x.add(block(x)));
  }

  protected attend(x: Tensor, memory: Tensor, attention: MultiheadAttention, drop: Dropout, masks: AttentionMasks) {
    const { mask = null, keyPaddingMask = null, isCausal = false } = masks;
    const [output] = attention.forward(x, memory, memory, {
      attnMask: mask,
      keyPaddingMask,
      needWeights: false,
      isCausal,
    });
    return drop.forward(output);
  }

  protected feedForward(x: Tensor, drop: Dropout): Tensor {
    const hidden = this.dropout.forward(this.#activate(this.linear1.forward(x)));
    return drop.forward(this.linear2.forward(hidden));
  }
}

/** Sub-layers by the options that both kinds of layer take. */
function partsOf(dModel: number, nhead: number, options: TransformerLayerOptions) {
  const { dimFeedforward = 2048, dropout = 0.1, layerNormEps = 1e-5, batchFirst = false, bias = true } = options;
  const kind = factory(options);
  return {
    attention: () => new MultiheadAttention(dModel, nhead, { dropout, bias, batchFirst, ...kind }),
    widen: () => new Linear(dModel, dimFeedforward, { bias, ...kind }),
    narrow: () => new Linear(dimFeedforward, dModel, { bias, ...kind }),
    norm: () => new LayerNorm(dModel, { eps: layerNormEps, bias, ...kind }),
    drop: () => new Dropout(dropout),
    module: options.activation instanceof Module ? (options.activation as AnyModule) : null,
  };
}

export interface EncoderLayerMasks {
  /** [L, L] or [N·heads, L, L], as MultiheadAttention's. */
  srcMask?: Tensor | null;
  /** [N, L], or [L] for a single example. */
  srcKeyPaddingMask?: Tensor | null;
  /** A hint that `srcMask` is the causal one. @default false */
  isCausal?: boolean;
}

/**
 * Self-attention and a feed-forward network (`torch.nn.TransformerEncoderLayer`): [L, N, E] → [L, N, E].
 * @example new nn.TransformerEncoderLayer(64, 8, { batchFirst: true }).forward(torch.randn([2, 10, 64]));
 */
export class TransformerEncoderLayer extends TransformerLayer<[src: Tensor, masks?: EncoderLayerMasks]> {
  readonly selfAttn: MultiheadAttention;
  readonly linear1: Linear;
  readonly dropout: Dropout;
  readonly linear2: Linear;
  readonly norm1: LayerNorm;
  readonly norm2: LayerNorm;
  readonly dropout1: Dropout;
  readonly dropout2: Dropout;
  readonly activation: AnyModule | null;

  constructor(dModel: number, nhead: number, options: TransformerLayerOptions = {}) {
    super(dModel, nhead, options);
    const make = partsOf(dModel, nhead, options);
    this.selfAttn = make.attention();
    this.linear1 = make.widen();
    this.dropout = make.drop();
    this.linear2 = make.narrow();
    this.norm1 = make.norm();
    this.norm2 = make.norm();
    this.dropout1 = make.drop();
    this.dropout2 = make.drop();
    this.activation = make.module;
  }

  override forward(src: Tensor, { srcMask, srcKeyPaddingMask, isCausal = false }: EncoderLayerMasks = {}): Tensor {
    const masks = { mask: srcMask ?? null, keyPaddingMask: srcKeyPaddingMask ?? null, isCausal };
    const x = this.residual(src, this.norm1, (y) => this.attend(y, y, this.selfAttn, this.dropout1, masks));
    return this.residual(x, this.norm2, (y) => this.feedForward(y, this.dropout2));
  }

  /** A layer of the same options and values, with parameters of its own. */
  copy(): TransformerEncoderLayer {
    return copyOf(this, () => new TransformerEncoderLayer(...this.options));
  }
}

export interface DecoderLayerMasks {
  /** [L, L] or [N·heads, L, L], as MultiheadAttention's. */
  tgtMask?: Tensor | null;
  /** [L, S] or [N·heads, L, S]. */
  memoryMask?: Tensor | null;
  /** [N, L], or [L] for a single example. */
  tgtKeyPaddingMask?: Tensor | null;
  /** [N, S], or [S] for a single example. */
  memoryKeyPaddingMask?: Tensor | null;
  /** A hint that `tgtMask` is the causal one. @default false */
  tgtIsCausal?: boolean;
  /** A hint that `memoryMask` is the causal one. @default false */
  memoryIsCausal?: boolean;
}

/**
 * Self-attention, attention to the encoder's output, and a feed-forward network (`torch.nn.TransformerDecoderLayer`):
 * [L, N, E] and the memory [S, N, E] → [L, N, E].
 */
export class TransformerDecoderLayer extends TransformerLayer<
  [tgt: Tensor, memory: Tensor, masks?: DecoderLayerMasks]
> {
  readonly selfAttn: MultiheadAttention;
  readonly multiheadAttn: MultiheadAttention;
  readonly linear1: Linear;
  readonly dropout: Dropout;
  readonly linear2: Linear;
  readonly norm1: LayerNorm;
  readonly norm2: LayerNorm;
  readonly norm3: LayerNorm;
  readonly dropout1: Dropout;
  readonly dropout2: Dropout;
  readonly dropout3: Dropout;
  readonly activation: AnyModule | null;

  constructor(dModel: number, nhead: number, options: TransformerLayerOptions = {}) {
    super(dModel, nhead, options);
    const make = partsOf(dModel, nhead, options);
    this.selfAttn = make.attention();
    this.multiheadAttn = make.attention();
    this.linear1 = make.widen();
    this.dropout = make.drop();
    this.linear2 = make.narrow();
    this.norm1 = make.norm();
    this.norm2 = make.norm();
    this.norm3 = make.norm();
    this.dropout1 = make.drop();
    this.dropout2 = make.drop();
    this.dropout3 = make.drop();
    this.activation = make.module;
  }

  override forward(tgt: Tensor, memory: Tensor, masks: DecoderLayerMasks = {}): Tensor {
    const own = {
      mask: masks.tgtMask ?? null,
      keyPaddingMask: masks.tgtKeyPaddingMask ?? null,
      isCausal: masks.tgtIsCausal ?? false,
    };
    const across = {
      mask: masks.memoryMask ?? null,
      keyPaddingMask: masks.memoryKeyPaddingMask ?? null,
      isCausal: masks.memoryIsCausal ?? false,
    };
    let x = this.residual(tgt, this.norm1, (y) => this.attend(y, y, this.selfAttn, this.dropout1, own));
    x = this.residual(x, this.norm2, (y) => this.attend(y, memory, this.multiheadAttn, this.dropout2, across));
    return this.residual(x, this.norm3, (y) => this.feedForward(y, this.dropout3));
  }

  /** A layer of the same options and values, with parameters of its own. */
  copy(): TransformerDecoderLayer {
    return copyOf(this, () => new TransformerDecoderLayer(...this.options));
  }
}

/** What `make` gives, with the values of `layer`; random numbers go on as if nothing had been drawn, as after a deep copy. */
function copyOf<M extends AnyModule>(layer: M, make: () => M): M {
  const { dtype, device } = layer.parameters()[0]!;
  const made = undrawn(device, make).to({ dtype, device });
  const values = layer.stateDict();
  made.loadStateDict(values);
  for (const value of values.values()) value.dispose();
  made.train(layer.training);
  return made;
}
