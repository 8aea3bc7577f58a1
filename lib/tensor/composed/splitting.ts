// `torch.split` and `torch.nonzero`, which Python composes so that one name serves two operators.

import { operator } from '../dispatch.js';
import { Tensor } from '../tensor.js';
import { named } from './named.js';

type SplitSizes = number | bigint | readonly (number | bigint)[] | Tensor;
type SplitArguments =
  | [splitSize: SplitSizes, options?: { dim?: number }]
  | [splitSize: SplitSizes, dim?: number]
  | [options: { splitSize: SplitSizes; dim?: number }];

/**
 * Views of `self`, cut along `dim` (`torch.split`).
 * @param args `splitSize`: elements in each part (the last may have fewer), or the sizes of all parts; `dim`: default 0.
 */
export function split(self: Tensor, ...args: SplitArguments): Tensor[] {
  const { splitSize, dim = 0 } = named('split', ['splitSize', 'dim'], args);
  const size = splitSize instanceof Tensor ? splitSize.item() : splitSize;
  return operator('aten::split').call([self, size, dim]) as Tensor[];
}

export interface Nonzero {
  (self: Tensor, options?: { asTuple?: false }): Tensor;
  (self: Tensor, options: { asTuple: true }): Tensor[];
}

/**
 * Where `self` is not zero (`torch.nonzero`): one row of indices for each such element, or with `asTuple` one tensor of
 * indices for each dimension, which indexes `self`.
 */
export const nonzero = ((self: Tensor, ...args: unknown[]) => {
  const { asTuple = false } = named('nonzero', ['asTuple'], args);
  return operator(asTuple === true ? 'aten::nonzero_numpy' : 'aten::nonzero').call([self]);
}) as Nonzero;
