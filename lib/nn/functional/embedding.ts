// Rows of a table by number: one for each number, or the sum, mean or maximum of a bag of them.

import { expected, IsotorchError } from '../../errors.js';
import { type Tensor, torch } from '../../tensor/index.js';

export interface EmbeddingOptions {
  /** This row gets no gradient, and counts in no bag; negative from the end. @default null */
  paddingIdx?: number | null;
  /** Rows that are longer are scaled down to this length, in place, when they are used. @default null */
  maxNorm?: number | null;
  /** The p of that length. @default 2 */
  normType?: number;
  /** Divides a row's gradient by how often the batch names it. @default false */
  scaleGradByFreq?: boolean;
  /** Gives the table a sparse gradient. @default false */
  sparse?: boolean;
}

/** The row as the operators count it. */
function row(weight: Tensor, paddingIdx: number | null): number | null {
  if (paddingIdx === null) return null;
  const rows = weight.shape[0] as number;
  if (!Number.isSafeInteger(paddingIdx) || paddingIdx >= rows || paddingIdx < -rows)
    throw expected(`a row of the ${rows}`, 'paddingIdx', paddingIdx, 'ERR_INDEX');
  return paddingIdx < 0 ? rows + paddingIdx : paddingIdx;
}

function shorten(weight: Tensor, input: Tensor, maxNorm: number | null, normType: number): void {
  if (maxNorm !== null) torch.noGrad(() => void weight.detach().embeddingRenorm_(input, maxNorm, normType));
}

/** The rows of `weight` [rows, dim] that `input` [*] names: [*, dim]. */
export function embedding(
  input: Tensor,
  weight: Tensor,
  { paddingIdx = null, maxNorm = null, normType = 2, scaleGradByFreq = false, sparse = false }: EmbeddingOptions = {},
): Tensor {
  shorten(weight, maxNorm === null ? input : input.contiguous(), maxNorm, normType);
  return torch.embedding(weight, input, row(weight, paddingIdx) ?? -1, scaleGradByFreq, sparse);
}

export type BagMode = 'sum' | 'mean' | 'max';
const modes: Readonly<Record<BagMode, number>> = { sum: 0, mean: 1, max: 2 };

export interface EmbeddingBagOptions extends EmbeddingOptions {
  /** Where each bag begins in an `input` of one dimension. */
  offsets?: Tensor | null;
  /** @default 'mean' */
  mode?: BagMode;
  /** The weight of each number, for mode `'sum'`. @default null */
  perSampleWeights?: Tensor | null;
  /** Whether `offsets` ends with the end of the last bag. @default false */
  includeLastOffset?: boolean;
}

/**
 * The sum, mean or maximum of the rows of each bag: `input` [bags, size], or all numbers in one dimension with `offsets`.
 * @throws ERR_SHAPE for inputs of other dimensions; ERR_ARGUMENT for options that do not go together.
 */
export function embeddingBag(input: Tensor, weight: Tensor, options: EmbeddingBagOptions = {}): Tensor {
  const { paddingIdx = null, maxNorm = null, normType = 2, scaleGradByFreq = false, sparse = false } = options;
  const { offsets = null, mode = 'mean', perSampleWeights = null, includeLastOffset = false } = options;
  if (!Object.hasOwn(modes, mode)) throw expected("'sum', 'mean' or 'max'", 'mode', mode);
  if (perSampleWeights !== null && mode !== 'sum')
    throw expected("'sum' where perSampleWeights are given", 'mode', mode);
  if (mode === 'max' && (scaleGradByFreq || sparse))
    throw expected("'sum' or 'mean' with scaleGradByFreq or sparse", 'mode', mode);
  const { shape } = input;
  if (shape.length !== 1 && shape.length !== 2)
    throw new IsotorchError(
      'ERR_SHAPE',
      `embeddingBag: expected [bags, size] or [numbers], received [${shape.join(', ')}]`,
    );
  if ((shape.length === 1) !== (offsets !== null))
    throw expected(
      shape.length === 1 ? 'a Tensor, for an input of one dimension,' : 'none, for [bags, size],',
      'offsets',
      offsets,
    );
  const [bags, width] = shape as [number, number];
  const starts =
    offsets ?? torch.arange(0, bags * width, Math.max(width, 1), { dtype: input.dtype, device: input.device });
  const flat = shape.length === 1 ? input : input.reshape([-1]);
  shorten(weight, flat, maxNorm, normType);
  const weights = perSampleWeights === null || shape.length === 1 ? perSampleWeights : perSampleWeights.reshape([-1]);
  const padding = row(weight, paddingIdx);
  const results = torch.embeddingBag(
    weight,
    flat,
    starts,
    scaleGradByFreq,
    modes[mode],
    sparse,
    weights,
    includeLastOffset && offsets !== null,
    padding,
  );
  return results[0];
}
