// Singular values of large matrices by random projections: `torch.svd_lowrank` and `torch.pca_lowrank` (Halko, Martinsson and
// Tropp, 2009, algorithms 4.4 and 5.1). They draw from the global generator as PyTorch does: equal seeds, equal results.

import { expected } from '../../errors.js';
import { aten, operator } from '../dispatch.js';
import { tidy } from '../scope.js';
import type { Tensor } from '../tensor.js';
import { named } from './named.js';

export type LowRank = [U: Tensor, S: Tensor, V: Tensor];

const orthonormal = (x: Tensor): Tensor => (operator('aten::linalg_qr').call([x]) as { Q: Tensor }).Q;

/** An orthonormal basis that nearly spans the columns of `a` (less `m`). */
function basis(a: Tensor, q: unknown, niter: number, m: Tensor | undefined): Tensor {
  const times = (left: Tensor, less: Tensor | undefined, right: Tensor): Tensor => {
    const product = left.matmul(right);
    return less ? product.sub(less.matmul(right)) : product;
  };
  const random = aten('randn', [a.size(-1), q], { dtype: a.dtype, device: a.device });
  let result = orthonormal(times(a, m, random));
  for (let i = 0; i < niter; i++) {
    result = orthonormal(times(a.mH, m?.mH, result));
    result = orthonormal(times(a, m, result));
  }
  return result;
}

/**
 * The singular value decomposition of `a`, or of `a` less `M`, by its `q` largest singular values (`torch.svd_lowrank`).
 * @param args `q`: default 6, a little more than the rank; `niter`: rounds that sharpen the basis, default 2; `M`: what is
 *   subtracted, broadcast to `a`.
 */
export function svdLowrank(
  a: Tensor,
  ...args:
    | [q?: number, niter?: number, M?: Tensor | null]
    | [options: { q?: number; niter?: number; M?: Tensor | null }]
    | [q: number, options: { niter?: number; M?: Tensor | null }]
): LowRank {
  const { q = 6, niter = 2, M = null } = named('svdLowrank', ['q', 'niter', 'M'], args);
  return tidy(() => {
    const wide = a.size(-2) < a.size(-1);
    const less = M === null ? undefined : aten('broadcast_to', M, a.shape);
    const [tall, tallLess] = wide ? [a.mH, less?.mH] : [a, less];
    const columns = basis(tall, q, niter as number, tallLess);
    const projected = columns.mH.matmul(tallLess ? tall.sub(tallLess) : tall);
    const { U, S, Vh } = operator('aten::linalg_svd').call([projected, false]) as Record<'U' | 'S' | 'Vh', Tensor>;
    const left = columns.matmul(U);
    return wide ? [Vh.mH, S, left] : [left, S, Vh.mH];
  });
}

/**
 * Principal components: the low-rank decomposition of `a` with each column's mean taken away (`torch.pca_lowrank`).
 * @param args `q`: default 6 or the smaller size; `center`: default true; `niter`: default 2.
 */
export function pcaLowrank(
  a: Tensor,
  ...args:
    | [q?: number | null, center?: boolean, niter?: number]
    | [options: { q?: number | null; center?: boolean; niter?: number }]
    | [q: number, options: { center?: boolean; niter?: number }]
): LowRank {
  const { q = null, center = true, niter = 2 } = named('pcaLowrank', ['q', 'center', 'niter'], args);
  const most = Math.min(a.size(-2), a.size(-1));
  const rank = q ?? Math.min(6, most);
  if (!Number.isInteger(rank) || (rank as number) < 0 || (rank as number) > most)
    throw expected(`an integer from 0 to ${most}`, 'q', q);
  if (!Number.isInteger(niter) || (niter as number) < 0) throw expected('an integer of at least 0', 'niter', niter);
  return tidy(() => svdLowrank(center ? a.sub(a.mean([-2], true)) : a, { q: rank as number, niter: niter as number }));
}
