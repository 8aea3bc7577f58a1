// Attention (Vaswani et al. 2017): the operator, and the whole of a multi-head layer from inputs and weights to the output.

import { expected, IsotorchError } from '../../errors.js';
import { type DType, isFloating, Tensor, torch } from '../../tensor/index.js';

export interface ScaledDotProductOptions {
  /** Added to the products, or, if boolean, where to look (true). Broadcast to [*, L, S]. */
  attnMask?: Tensor | null;
  /** The probability of dropping a weight. Acts also in evaluation: give 0 there. @default 0 */
  dropoutP?: number;
  /** Whether each position looks at itself and those before it only. Not beside a mask. @default false */
  isCausal?: boolean;
  /** Factor on the products. @default 1/√E */
  scale?: number | null;
  /** Whether several query heads share a key head. @default false */
  enableGqa?: boolean;
}

/**
 * softmax(scale · Q·Kᵀ + mask)·V (`torch.nn.functional.scaled_dot_product_attention`), by LibTorch's fused kernels where
 * they apply: [*, L, E], [*, S, E] and [*, S, Ev] → [*, L, Ev].
 */
export function scaledDotProductAttention(
  query: Tensor,
  key: Tensor,
  value: Tensor,
  { attnMask = null, dropoutP = 0, isCausal = false, scale = null, enableGqa = false }: ScaledDotProductOptions = {},
): Tensor {
  return torch.scaledDotProductAttention(query, key, value, attnMask, dropoutP, isCausal, { scale, enableGqa });
}

/** Masks and what is asked for, as `MultiheadAttention.forward` takes them. */
export interface AttentionOptions {
  /** [N, S]: keys to leave out (true), or numbers to add to their products; [S] for a single example. */
  keyPaddingMask?: Tensor | null;
  /** Whether the weights are given beside the output; without, faster kernels serve. @default true */
  needWeights?: boolean;
  /** [L, S] or [N·heads, L, S]: pairs to leave out (true), or numbers to add to their products. */
  attnMask?: Tensor | null;
  /** Whether weights come as the mean over heads. @default true */
  averageAttnWeights?: boolean;
  /** A hint that `attnMask`, which must be there, is the causal one. @default false */
  isCausal?: boolean;
}

/** The weights of a layer. Without `inProjWeight` the three separate ones must be there. */
export interface AttentionWeights {
  numHeads: number;
  /** [3·E, E]: for query, key and value. */
  inProjWeight?: Tensor | null;
  qProjWeight?: Tensor | null;
  kProjWeight?: Tensor | null;
  vProjWeight?: Tensor | null;
  /** [3·E]. */
  inProjBias?: Tensor | null;
  /** [1, 1, E] each: a key and a value more. */
  biasK?: Tensor | null;
  biasV?: Tensor | null;
  /** Whether there is one key and value of zeros more. @default false */
  addZeroAttn?: boolean;
  outProjWeight: Tensor;
  outProjBias?: Tensor | null;
  /** Keys and values already projected, [N·heads, S, E / heads], instead of what `key` and `value` give. */
  staticK?: Tensor | null;
  staticV?: Tensor | null;
  /** The probability of dropping a weight in training. @default 0 */
  dropoutP?: number;
  /** @default true */
  training?: boolean;
}

/**
 * Multi-head attention (`torch.nn.functional.multi_head_attention_forward`) of [L, N, E], [S, N, Ek] and [S, N, Ev], or all
 * without N.
 * @returns [L, N, E], and the weights, [N, L, S] or [N, heads, L, S], where asked for.
 * @throws ERR_SHAPE for sizes that do not fit; ERR_DTYPE for masks of integers; ERR_ARGUMENT for `isCausal` without a mask.
 */
export function multiHeadAttentionForward(
  query: Tensor,
  key: Tensor,
  value: Tensor,
  options: AttentionWeights & AttentionOptions,
): [output: Tensor, weights: Tensor | null] {
  const { numHeads, dropoutP = 0, training = true, needWeights = true, averageAttnWeights = true } = options;
  const batched = checkDimensions(query, key, value, options);
  const dropout = training ? dropoutP : 0;
  const widen = (tensor: Tensor) => (batched ? tensor : tensor.unsqueeze(1));
  const inputs = { query: widen(query), key: widen(key), value: widen(value) };
  const [length, batch, features] = inputs.query.shape as [number, number, number];
  if (features % numHeads !== 0)
    throw expected(`a number that divides ${features} features`, 'numHeads', numHeads, 'ERR_SHAPE');
  const width = features / numHeads;
  const masks = masksOf(inputs.query, options, batched);
  if (masks.attention !== null) checkMask(masks.attention, batch * numHeads, length, inputs.key.shape[0]!);

  let [q, k, v] = project(inputs.query, inputs.key, inputs.value, options);
  const { biasK = null, biasV = null, addZeroAttn = false, staticK = null, staticV = null } = options;
  if ((biasK === null) !== (biasV === null)) throw expected('both or none', 'biasK and biasV', biasK ?? biasV);
  const more = (mask: Tensor | null) => (mask === null ? null : torch.constantPadNd(mask, [0, 1], 0));
  const lengthen = () => {
    masks.attention = more(masks.attention);
    masks.padding = more(masks.padding);
  };
  if (biasK !== null && biasV !== null) {
    if (staticK !== null || staticV !== null) throw expected('none beside biasK and biasV', 'staticK', staticK);
    k = torch.cat([k, biasK.repeat([1, batch, 1])]);
    v = torch.cat([v, biasV.repeat([1, batch, 1])]);
    lengthen();
  }
  const heads = (x: Tensor) => x.view([x.shape[0]!, batch * numHeads, width]).transpose(0, 1);
  q = heads(q);
  k = staticK ?? heads(k);
  v = staticV ?? heads(v);
  if (addZeroAttn) {
    const zeros = torch.zeros([batch * numHeads, 1, width], { dtype: k.dtype, device: k.device });
    k = torch.cat([k, zeros], 1);
    v = torch.cat([v, zeros], 1);
    lengthen();
  }
  const source = k.shape[1]!;
  let mask = masks.attention;
  if (masks.padding !== null) {
    const padding = masks.padding
      .view([batch, 1, 1, source])
      .expand([-1, numHeads, -1, -1])
      .reshape([batch * numHeads, 1, source]);
    mask = mask === null ? padding : mask.add(padding);
  }
  const { outProjWeight, outProjBias = null } = options;
  const finish = (attended: Tensor): Tensor => {
    const output = torch.linear(attended, outProjWeight, outProjBias).view([length, batch, -1]);
    return batched ? output : output.squeeze(1);
  };
  if (!needWeights) {
    const byHead = (x: Tensor, size: number) => x.view([batch, numHeads, size, width]);
    if (mask !== null) mask = mask.shape[0] === 1 ? mask.unsqueeze(0) : mask.view([batch, numHeads, -1, source]);
    const attended = torch.scaledDotProductAttention(
      byHead(q, length),
      byHead(k, source),
      byHead(v, source),
      mask,
      dropout,
      masks.causal,
    );
    return [finish(attended.permute([2, 0, 1, 3]).reshape([batch * length, features])), null];
  }
  const scaled = q.mul(Math.sqrt(1 / width));
  const products =
    mask === null ? torch.bmm(scaled, k.transpose(-2, -1)) : torch.baddbmm(mask, scaled, k.transpose(-2, -1));
  let weights = torch.softmax(products, -1);
  if (dropout > 0) weights = torch.dropout(weights, dropout, true);
  const attended = torch
    .bmm(weights, v)
    .transpose(0, 1)
    .reshape([length * batch, features]);
  let shown = weights.view([batch, numHeads, length, source]);
  if (averageAttnWeights) shown = shown.mean([1]);
  return [finish(attended), batched ? shown : shown.squeeze(0)];
}

/**
 * A mask as numbers to add: −∞ where a boolean one says true.
 * @throws ERR_DTYPE for masks of integers.
 */
export function canonicalMask(mask: Tensor | null, name: string, dtype: DType): Tensor | null {
  if (mask === null || isFloating(mask.dtype)) return mask;
  if (mask.dtype !== 'bool')
    throw expected(`booleans or floating-point numbers, not ${mask.dtype},`, name, mask, 'ERR_DTYPE');
  return torch.zerosLike(mask, { dtype }).maskedFill(mask, Number.NEGATIVE_INFINITY);
}

/** What is added to the products, and whether the kernel itself can see to a causal mask. */
function masksOf(
  query: Tensor,
  { keyPaddingMask = null, attnMask = null, isCausal = false, needWeights = true }: AttentionOptions,
  batched: boolean,
): { attention: Tensor | null; padding: Tensor | null; causal: boolean } {
  if (isCausal && attnMask === null)
    throw new IsotorchError(
      'ERR_ARGUMENT',
      'Expected attnMask beside isCausal, which is a hint only: nn.Transformer.generateSquareSubsequentMask(length) makes one',
    );
  const dtype = query.dtype;
  const wide = keyPaddingMask === null || batched ? keyPaddingMask : keyPaddingMask.unsqueeze(0);
  const padding = canonicalMask(wide, 'keyPaddingMask', dtype);
  const causal = isCausal && padding === null;
  if (causal && !needWeights) return { attention: null, padding, causal };
  const attention = canonicalMask(attnMask, 'attnMask', dtype);
  return { attention: attention?.ndim === 2 ? attention.unsqueeze(0) : attention, padding, causal: false };
}

/** Whether the inputs are batched. */
function checkDimensions(query: Tensor, key: Tensor, value: Tensor, options: AttentionOptions): boolean {
  for (const [name, tensor] of Object.entries({ query, key, value }))
    if (!(tensor instanceof Tensor)) throw expected('a Tensor', name, tensor);
  const dimensions = query.ndim;
  const { keyPaddingMask = null, attnMask = null } = options;
  const fits =
    (dimensions === 2 || dimensions === 3) &&
    key.ndim === dimensions &&
    value.ndim === dimensions &&
    (keyPaddingMask === null || keyPaddingMask.ndim === dimensions - 1) &&
    (attnMask === null || attnMask.ndim === 2 || attnMask.ndim === 3);
  if (!fits) {
    const given = { query, key, value, keyPaddingMask, attnMask };
    const shapes = Object.entries(given).flatMap(([name, tensor]) =>
      tensor === null ? [] : `${name} [${tensor.shape.join(', ')}]`,
    );
    throw new IsotorchError(
      'ERR_SHAPE',
      `Attention: expected query, key and value of 3 dimensions (keyPaddingMask of 2) or of 2 (keyPaddingMask of 1), and attnMask of 2 or 3, received ${shapes.join(', ')}`,
    );
  }
  return dimensions === 3;
}

function checkMask({ shape }: Tensor, heads: number, length: number, source: number): void {
  const [first, rows, columns] = shape;
  if ((first === 1 || first === heads) && rows === length && columns === source) return;
  throw new IsotorchError(
    'ERR_SHAPE',
    `Attention: expected attnMask of [${length}, ${source}] or [${heads}, ${length}, ${source}], received [${shape.join(', ')}]`,
  );
}

/** Queries, keys and values of equal inputs by one product, as PyTorch computes them. */
function project(query: Tensor, key: Tensor, value: Tensor, weights: AttentionWeights): [Tensor, Tensor, Tensor] {
  const { inProjWeight = null, inProjBias = null } = weights;
  const size = query.shape[2]!;
  if (inProjWeight === null) {
    const { qProjWeight, kProjWeight, vProjWeight } = weights;
    if (!qProjWeight || !kProjWeight || !vProjWeight)
      throw expected('inProjWeight, or qProjWeight, kProjWeight and vProjWeight,', 'the weights', null);
    const [bq = null, bk = null, bv = null] = inProjBias?.chunk(3) ?? [];
    return [
      torch.linear(query, qProjWeight, bq),
      torch.linear(key, kProjWeight, bk),
      torch.linear(value, vProjWeight, bv),
    ];
  }
  const split = (projected: Tensor, count: number): Tensor[] =>
    projected.unflatten(-1, [count, size]).unsqueeze(0).transpose(0, -2).squeeze(-2).contiguous().unbind(0);
  if (key === value && query === key)
    return split(torch.linear(query, inProjWeight, inProjBias), 3) as [Tensor, Tensor, Tensor];
  if (key === value) {
    const [wq, wkv] = inProjWeight.splitWithSizes([size, 2 * size]) as [Tensor, Tensor];
    const [bq = null, bkv = null] = inProjBias?.splitWithSizes([size, 2 * size]) ?? [];
    const [k, v] = split(torch.linear(key, wkv, bkv), 2) as [Tensor, Tensor];
    return [torch.linear(query, wq, bq), k, v];
  }
  const [wq, wk, wv] = inProjWeight.chunk(3) as [Tensor, Tensor, Tensor];
  const [bq = null, bk = null, bv = null] = inProjBias?.chunk(3) ?? [];
  return [torch.linear(query, wq, bq), torch.linear(key, wk, bk), torch.linear(value, wv, bv)];
}
