// `torch.norm` and `torch.cdist`, whose names for norms and modes are Python's.

import { expected } from '../../errors.js';
import { operator } from '../dispatch.js';
import type { DType } from '../dtype.js';
import type { Tensor } from '../tensor.js';
import { named } from './named.js';

type P = number | 'fro' | 'nuc' | null;
type Dim = number | readonly number[] | null;
interface NormOptions {
  p?: P;
  dim?: Dim;
  keepdim?: boolean;
  out?: Tensor;
  dtype?: DType | null;
}
type NormArguments =
  | [p?: P, dim?: Dim, keepdim?: boolean]
  | [options: NormOptions]
  | [p: P, options: NormOptions]
  | [p: P, dim: Dim, options: NormOptions]
  | [p: P, dim: Dim, keepdim: boolean, options: NormOptions];

/** Devices whose strided tensors go by `torch.linalg`, as in Python. */
const byLinalg = /^(cpu|cuda|meta)/;

/**
 * A norm of vectors or matrices (`torch.norm`).
 * @param args `p`: a number, `'fro'` (default) or `'nuc'`; `dim`: of which dimensions, by default all as one vector; `keepdim`;
 *   `out`; `dtype` to compute in.
 */
export function norm(self: Tensor, ...args: NormArguments): Tensor {
  const given = named('norm', ['p', 'dim', 'keepdim', 'out', 'dtype'], args);
  const { p = 'fro', keepdim = false } = given;
  const dim = typeof given.dim === 'number' ? [given.dim] : (given.dim ?? null);
  const options: Record<string, unknown> = {};
  if (given.out !== undefined && given.out !== null) options.out = given.out;
  if (given.dtype !== undefined && given.dtype !== null) options.dtype = given.dtype;
  if (typeof p === 'string' && p !== 'fro' && p !== 'nuc') throw expected("a number, 'fro' or 'nuc'", 'p', p);
  const all = Array.from({ length: self.ndim }, (_, i) => i);
  const call = (name: string, ...before: unknown[]) =>
    operator(`aten::${name}`).call([self, ...before, keepdim, options]) as Tensor;
  if (self.layout === 'strided' && byLinalg.test(self.device)) {
    if (typeof p !== 'string') return call('linalg_vector_norm', p ?? 2, dim);
    return p === 'fro' && (dim === null || (Array.isArray(dim) && dim.length <= 2))
      ? call('linalg_vector_norm', 2, dim)
      : call('linalg_matrix_norm', p, dim ?? all);
  }
  if (typeof p !== 'string') return call('norm', p, dim ?? all);
  if ('dtype' in options) throw expected('none', `dtype of the norm '${p}' on this layout and device`, options.dtype);
  if (p === 'nuc') return dim === null ? call('nuclear_norm') : call('nuclear_norm', dim);
  return call('frobenius_norm', dim ?? []);
}

const computeModes = {
  use_mm_for_euclid_dist_if_necessary: null,
  use_mm_for_euclid_dist: 1,
  donot_use_mm_for_euclid_dist: 2,
} as const;
/** LibTorch's number serves too: 1 always by matrix product, 2 never, null where it is large. */
type ComputeMode = keyof typeof computeModes | 1 | 2 | null;

/**
 * Distances of each row of `x1` to each row of `x2` (`torch.cdist`).
 * @param args `p`: of the norm, default 2; `computeMode`: whether Euclidean distances come by a matrix product, which is
 *   fast and loses digits; by default where there are more than 25 rows.
 */
export function cdist(
  x1: Tensor,
  x2: Tensor,
  ...args:
    | [p?: number, computeMode?: ComputeMode]
    | [options: { p?: number; computeMode?: ComputeMode }]
    | [p: number, options: { computeMode?: ComputeMode }]
): Tensor {
  const { p = 2, computeMode = null } = named('cdist', ['p', 'computeMode'], args);
  const known = typeof computeMode === 'string' && Object.hasOwn(computeModes, computeMode);
  if (typeof computeMode === 'string' && !known)
    throw expected(`one of ${Object.keys(computeModes).join(', ')}`, 'computeMode', computeMode);
  const mode = known ? computeModes[computeMode as keyof typeof computeModes] : computeMode;
  return operator('aten::cdist').call([x1, x2, p, mode]) as Tensor;
}
