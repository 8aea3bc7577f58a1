// `torch.lu`: Python's older front of the operator that `torch.linalg.luFactor` is.

import { operator } from '../dispatch.js';
import type { Tensor } from '../tensor.js';
import { named } from './named.js';

/** The forms of `x.lu()`. */
export interface LuMethod {
  (options?: { pivot?: boolean; getInfos?: false }): [LU: Tensor, pivots: Tensor];
  (options: { pivot?: boolean; getInfos: true }): [LU: Tensor, pivots: Tensor, infos: Tensor];
  (pivot: boolean, getInfos?: false): [LU: Tensor, pivots: Tensor];
  (pivot: boolean, getInfos: true): [LU: Tensor, pivots: Tensor, infos: Tensor];
}
export interface Lu {
  (self: Tensor, options?: { pivot?: boolean; getInfos?: false }): [LU: Tensor, pivots: Tensor];
  (self: Tensor, options: { pivot?: boolean; getInfos: true }): [LU: Tensor, pivots: Tensor, infos: Tensor];
  (self: Tensor, pivot: boolean, getInfos?: false): [LU: Tensor, pivots: Tensor];
  (self: Tensor, pivot: boolean, getInfos: true): [LU: Tensor, pivots: Tensor, infos: Tensor];
}

/**
 * The packed LU factorization and its pivots (`torch.lu`).
 * @throws ERR_LIBTORCH for a matrix that has none, unless `getInfos` asks for what went wrong as a third result.
 */
export const lu = ((self: Tensor, ...args: unknown[]) => {
  const { pivot = true, getInfos = false } = named('lu', ['pivot', 'getInfos'], args);
  const { LU, pivots, info } = operator('aten::_lu_with_info').call([self, pivot, getInfos !== true]) as Record<
    'LU' | 'pivots' | 'info',
    Tensor
  >;
  if (getInfos === true) return [LU, pivots, info];
  info.dispose();
  return [LU, pivots];
}) as Lu;
