// Tensors in nested arrays and plain objects, as captured steps take and give them: taken apart into a list and a shape that
// tells two of different build apart, and put together again.

import { describe, IsotorchError } from '../../errors.js';
import { isPlainObject } from '../../plainObject.js';
import { Tensor } from '../tensor.js';

/** A tensor, nothing, or arrays and plain objects of such. */
export type TensorTree =
  | Tensor
  | null
  | undefined
  // biome-ignore lint/suspicious/noConfusingVoidType: a step without a result gives void
  | void
  | readonly TensorTree[]
  | { readonly [key: string]: TensorTree };

/**
 * Appends the tensors of `tree` to `leaves`, in order, and returns its build as text: `*` for a tensor.
 * @throws ERR_CAPTURE, naming the place, for anything that is no tensor.
 */
export function takeApart(tree: unknown, leaves: Tensor[], place: string): string {
  if (tree instanceof Tensor) {
    leaves.push(tree);
    return '*';
  }
  if (tree === undefined || tree === null) return tree === null ? '0' : '-';
  if (Array.isArray(tree)) return `[${tree.map((item, i) => takeApart(item, leaves, `${place}[${i}]`)).join()}]`;
  if (isPlainObject(tree)) {
    const parts = Object.entries(tree).map(
      ([key, item]) => `${JSON.stringify(key)}:${takeApart(item, leaves, `${place}.${key}`)}`,
    );
    return `{${parts.join()}}`;
  }
  const advice =
    typeof tree === 'number' || typeof tree === 'bigint' || typeof tree === 'boolean'
      ? `: a replay would use ${String(tree)} for ever. Give it as a tensor, such as torch.tensor(${String(tree)})`
      : '';
  throw new IsotorchError(
    'ERR_CAPTURE',
    `Expected a Tensor, or arrays and plain objects of Tensors, for ${place} but received ${describe(tree)}${advice}`,
  );
}

/** A tree of the same build with other tensors. */
export function putTogether(tree: unknown, next: () => Tensor): unknown {
  if (tree instanceof Tensor || tree === LEAF) return next();
  if (Array.isArray(tree)) return tree.map((item) => putTogether(item, next));
  if (isPlainObject(tree))
    return Object.fromEntries(Object.entries(tree).map(([key, item]) => [key, putTogether(item, next)]));
  return tree;
}

const LEAF = Symbol('tensor');

/** The tree without its tensors, to keep. */
export function mould(tree: unknown): unknown {
  return putTogether(tree, () => LEAF as unknown as Tensor);
}
