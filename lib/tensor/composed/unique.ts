// `torch.unique` and `torch.uniqueConsecutive`: the operators always give values, inverse and counts, Python's front gives
// what was asked for.

import { operator } from '../dispatch.js';
import type { Tensor } from '../tensor.js';
import { named } from './named.js';

interface Which<Inverse extends boolean, Counts extends boolean> {
  returnInverse: Inverse;
  returnCounts: Counts;
}
interface Only<More> {
  (options?: More & { returnInverse?: false; returnCounts?: false }): Tensor;
  (options: More & Which<true, true>): [values: Tensor, inverse: Tensor, counts: Tensor];
  (options: More & { returnInverse: true; returnCounts?: false }): [values: Tensor, inverse: Tensor];
  (options: More & { returnInverse?: false; returnCounts: true }): [values: Tensor, counts: Tensor];
}
/** The forms of `x.unique()`. */
export interface UniqueMethod extends Only<{ sorted?: boolean; dim?: number | null }> {
  (sorted: boolean, returnInverse?: false, returnCounts?: false, dim?: number | null): Tensor;
  (sorted: boolean, returnInverse: boolean, returnCounts?: boolean, dim?: number | null): Tensor | Tensor[];
}
/** The forms of `x.uniqueConsecutive()`. */
export interface UniqueConsecutiveMethod extends Only<{ dim?: number | null }> {
  (returnInverse: boolean, returnCounts?: boolean, dim?: number | null): Tensor | Tensor[];
}

interface OnlyOf<More> {
  (self: Tensor, options?: More & { returnInverse?: false; returnCounts?: false }): Tensor;
  (self: Tensor, options: More & Which<true, true>): [values: Tensor, inverse: Tensor, counts: Tensor];
  (self: Tensor, options: More & { returnInverse: true; returnCounts?: false }): [values: Tensor, inverse: Tensor];
  (self: Tensor, options: More & { returnInverse?: false; returnCounts: true }): [values: Tensor, counts: Tensor];
}
export interface Unique extends OnlyOf<{ sorted?: boolean; dim?: number | null }> {
  (self: Tensor, sorted: boolean, returnInverse?: false, returnCounts?: false, dim?: number | null): Tensor;
  (
    self: Tensor,
    sorted: boolean,
    returnInverse: boolean,
    returnCounts?: boolean,
    dim?: number | null,
  ): Tensor | Tensor[];
}
export interface UniqueConsecutive extends OnlyOf<{ dim?: number | null }> {
  (self: Tensor, returnInverse: boolean, returnCounts?: boolean, dim?: number | null): Tensor | Tensor[];
}

/**
 * The distinct elements, or the distinct slices along `dim` (`torch.unique`); with `returnInverse` also where each element
 * went, with `returnCounts` how often each came. Sorted, unless `sorted` is false.
 */
export const unique = ((self: Tensor, ...args: unknown[]) => {
  const keys = ['sorted', 'returnInverse', 'returnCounts', 'dim'] as const;
  const { sorted = true, returnInverse = false, returnCounts = false, dim } = named('unique', keys, args);
  const all = (
    dim === undefined || dim === null
      ? operator('aten::_unique2').call([self, sorted, returnInverse, returnCounts])
      : operator('aten::unique_dim').call([self, dim, sorted, returnInverse, returnCounts])
  ) as Tensor[];
  return asked(all, returnInverse, returnCounts);
}) as Unique;

/** `self` without what equals its predecessor, flat or along `dim` (`torch.unique_consecutive`). */
export const uniqueConsecutive = ((self: Tensor, ...args: unknown[]) => {
  const keys = ['returnInverse', 'returnCounts', 'dim'] as const;
  const { returnInverse = false, returnCounts = false, dim } = named('uniqueConsecutive', keys, args);
  const all = operator('aten::unique_consecutive').call([self, returnInverse, returnCounts, dim]) as Tensor[];
  return asked(all, returnInverse, returnCounts);
}) as UniqueConsecutive;

function asked(all: Tensor[], returnInverse: unknown, returnCounts: unknown): Tensor | Tensor[] {
  const wanted = [true, returnInverse, returnCounts];
  for (const [i, tensor] of all.entries()) if (!wanted[i]) tensor.dispose();
  const results = all.filter((_, i) => wanted[i]);
  return results.length === 1 ? results[0]! : results;
}
