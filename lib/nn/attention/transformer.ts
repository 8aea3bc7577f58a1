// Stacks of transformer layers, and the whole of encoder and decoder (Vaswani et al. 2017).

import { expected, IsotorchError } from '../../errors.js';
import { type Device, type DType, Tensor, torch } from '../../tensor/index.js';
import { factory, wholeNumber } from '../arguments.js';
import { xavierUniform_ } from '../init.js';
import { LayerNorm } from '../layers/layerNorm.js';
import { Module } from '../module.js';
import { ModuleList } from '../moduleList.js';
import {
  type DecoderLayerMasks,
  type EncoderLayerMasks,
  TransformerDecoderLayer,
  TransformerEncoderLayer,
  type TransformerLayerOptions,
} from './layers.js';

/** A module that can be copied: same options and values, parameters of its own. */
interface Copyable<M> {
  copy(): M;
}

/** Of masks that were made here it is known, without a look at their values, that they are causal. */
const causalMasks = new WeakMap<Tensor, number>();

/**
 * The causal mask [size, size]: −∞ above the diagonal, 0 elsewhere (`nn.Transformer.generate_square_subsequent_mask`).
 * Encoders and decoders know it as causal and let faster kernels see to it.
 */
export function generateSquareSubsequentMask(size: number, options: { dtype?: DType; device?: Device } = {}): Tensor {
  wholeNumber(size, 'size', 0);
  const mask = torch.full([size, size], Number.NEGATIVE_INFINITY, { dtype: 'float32', ...options }).triu(1);
  causalMasks.set(mask, mask.handle);
  return mask;
}

const isCausalMask = (mask: Tensor | null | undefined): boolean =>
  mask instanceof Tensor && causalMasks.get(mask) === mask.handle;

/** Copies of the layer; the layer itself is not among them, as in PyTorch. */
function stack<M extends Module<Tensor, never[]> & Copyable<M>>(layer: M, count: number): ModuleList<M> {
  if (!(layer instanceof Module) || typeof layer.copy !== 'function')
    throw expected('a Module with a method copy()', 'layer', layer);
  return new ModuleList(Array.from({ length: wholeNumber(count, 'numLayers') }, () => layer.copy()));
}

export interface EncoderMasks extends Omit<EncoderLayerMasks, 'srcMask' | 'isCausal'> {
  mask?: Tensor | null;
  /** Whether `mask` is the causal one. Default: whether `generateSquareSubsequentMask` made it. */
  isCausal?: boolean | null;
}

/** Any layer that an encoder can stack. */
export type EncoderLayer = Module<Tensor, [src: Tensor, masks?: EncoderLayerMasks]> & Copyable<EncoderLayer>;
export type DecoderLayer = Module<Tensor, [tgt: Tensor, memory: Tensor, masks?: DecoderLayerMasks]> &
  Copyable<DecoderLayer>;

/** `numLayers` copies of a layer one after the other, and a normalisation at the end (`torch.nn.TransformerEncoder`). */
export class TransformerEncoder extends Module<Tensor, [src: Tensor, masks?: EncoderMasks]> {
  readonly layers: ModuleList<EncoderLayer>;
  readonly numLayers: number;
  readonly norm: Module | null;

  constructor(encoderLayer: EncoderLayer, numLayers: number, { norm = null }: { norm?: Module | null } = {}) {
    super();
    this.layers = stack(encoderLayer, numLayers);
    this.numLayers = numLayers;
    this.norm = norm;
  }

  override forward(src: Tensor, { mask = null, srcKeyPaddingMask = null, isCausal }: EncoderMasks = {}): Tensor {
    const masks = { srcMask: mask, srcKeyPaddingMask, isCausal: isCausal ?? isCausalMask(mask) };
    let x = src;
    for (const layer of this.layers) x = layer.forward(x, masks);
    return this.norm === null ? x : this.norm.forward(x);
  }
}

export interface DecoderMasks extends Omit<DecoderLayerMasks, 'tgtIsCausal'> {
  /** Whether `tgtMask` is the causal one. Default: whether `generateSquareSubsequentMask` made it. */
  tgtIsCausal?: boolean | null;
}

/** `numLayers` copies of a layer one after the other, and a normalisation at the end (`torch.nn.TransformerDecoder`). */
export class TransformerDecoder extends Module<Tensor, [tgt: Tensor, memory: Tensor, masks?: DecoderMasks]> {
  readonly layers: ModuleList<DecoderLayer>;
  readonly numLayers: number;
  readonly norm: Module | null;

  constructor(decoderLayer: DecoderLayer, numLayers: number, { norm = null }: { norm?: Module | null } = {}) {
    super();
    this.layers = stack(decoderLayer, numLayers);
    this.numLayers = numLayers;
    this.norm = norm;
  }

  override forward(tgt: Tensor, memory: Tensor, masks: DecoderMasks = {}): Tensor {
    const each = { ...masks, tgtIsCausal: masks.tgtIsCausal ?? isCausalMask(masks.tgtMask) };
    let x = tgt;
    for (const layer of this.layers) x = layer.forward(x, memory, each);
    return this.norm === null ? x : this.norm.forward(x);
  }
}

export interface TransformerOptions extends TransformerLayerOptions {
  /** Features of inputs and outputs. @default 512 */
  dModel?: number;
  /** @default 8 */
  nhead?: number;
  /** @default 6 */
  numEncoderLayers?: number;
  /** @default 6 */
  numDecoderLayers?: number;
  /** Takes the encoder's place. */
  customEncoder?: Module<Tensor, [src: Tensor, masks?: EncoderMasks]> | null;
  /** Takes the decoder's place. */
  customDecoder?: Module<Tensor, [tgt: Tensor, memory: Tensor, masks?: DecoderMasks]> | null;
}

export interface TransformerMasks extends DecoderMasks {
  srcMask?: Tensor | null;
  srcKeyPaddingMask?: Tensor | null;
  /** Whether `srcMask` is the causal one. Default: whether `generateSquareSubsequentMask` made it. */
  srcIsCausal?: boolean | null;
}

/**
 * Encoder and decoder (`torch.nn.Transformer`): src [S, N, E] and tgt [T, N, E] → [T, N, E].
 *
 * All weights of two dimensions or more are Xavier-uniform at first.
 * @example new nn.Transformer({ dModel: 64, nhead: 4 }).forward(src, tgt, { tgtMask });
 */
export class Transformer extends Module<Tensor, [src: Tensor, tgt: Tensor, masks?: TransformerMasks]> {
  readonly dModel: number;
  readonly nhead: number;
  readonly batchFirst: boolean;
  readonly encoder: Module<Tensor, [src: Tensor, masks?: EncoderMasks]>;
  readonly decoder: Module<Tensor, [tgt: Tensor, memory: Tensor, masks?: DecoderMasks]>;

  constructor(options: TransformerOptions = {}) {
    super();
    const { dModel = 512, nhead = 8, numEncoderLayers = 6, numDecoderLayers = 6, ...layer } = options;
    const { customEncoder = null, customDecoder = null, layerNormEps = 1e-5, bias = true } = options;
    this.dModel = wholeNumber(dModel, 'dModel');
    this.nhead = wholeNumber(nhead, 'nhead');
    this.batchFirst = options.batchFirst ?? false;
    const norm = () => new LayerNorm(dModel, { eps: layerNormEps, bias, ...factory(options) });
    this.encoder =
      customEncoder ??
      new TransformerEncoder(new TransformerEncoderLayer(dModel, nhead, layer), numEncoderLayers, { norm: norm() });
    this.decoder =
      customDecoder ??
      new TransformerDecoder(new TransformerDecoderLayer(dModel, nhead, layer), numDecoderLayers, { norm: norm() });
    for (const parameter of this.parameters()) if (parameter.ndim > 1) xavierUniform_(parameter);
  }

  /** @throws ERR_SHAPE where batches differ, or features are not `dModel`. */
  override forward(src: Tensor, tgt: Tensor, masks: TransformerMasks = {}): Tensor {
    const batch = this.batchFirst ? 0 : 1;
    const [from, to] = [src.shape, tgt.shape];
    if (from.at(-1) !== this.dModel || to.at(-1) !== this.dModel || (from.length === 3 && from[batch] !== to[batch]))
      throw new IsotorchError(
        'ERR_SHAPE',
        `Transformer: expected src and tgt of one batch with ${this.dModel} features, received [${from.join(', ')}] and [${to.join(', ')}]`,
      );
    const { srcMask = null, srcKeyPaddingMask = null, srcIsCausal = null, ...rest } = masks;
    const memory = this.encoder.forward(src, { mask: srcMask, srcKeyPaddingMask, isCausal: srcIsCausal });
    return this.decoder.forward(tgt, memory, rest);
  }

  /** @see generateSquareSubsequentMask */
  static generateSquareSubsequentMask = generateSquareSubsequentMask;
}
