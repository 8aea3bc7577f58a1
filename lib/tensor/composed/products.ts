// Products whose operators take lists where Python takes any number of arguments: `einsum`, `tensordot`, `chainMatmul`,
// `cartesianProd`, `blockDiag`.

import { expected } from '../../errors.js';
import { describeArgument, operator } from '../dispatch.js';
import { Tensor } from '../tensor.js';
import { named, refusal, tensorsFirst } from './named.js';

type Tensors = readonly Tensor[];
type Subscripts = readonly (number | '...')[];

/** 0 to 51 are A to Z, then a to z. */
function letter(subscript: unknown): string {
  if (subscript === '...') return '...';
  const n = subscript as number;
  if (!Number.isInteger(n) || n < 0 || n >= 52)
    throw expected("an integer from 0 to 51 or '...'", 'subscript', subscript);
  return String.fromCharCode(n < 26 ? 65 + n : 97 + n - 26);
}

/**
 * Sums products along the dimensions that an equation names (`torch.einsum`).
 * @example torch.einsum('ij,jk->ik', a, b); torch.einsum('ii', a); torch.einsum(a, [0, 1], b, [1, 2], [0, 2]);
 */
export function einsum(equation: string, ...operands: Tensors | [operands: Tensors]): Tensor;
export function einsum(first: Tensor, subscripts: Subscripts, ...more: (Tensor | Subscripts)[]): Tensor;
export function einsum(...args: unknown[]): Tensor {
  if (args.length < 2)
    throw refusal('einsum', 'takes an equation and its tensors, or tensors each with its subscripts');
  if (!(args[0] instanceof Tensor)) {
    const { tensors, rest } = tensorsFirst(args.slice(1));
    named('einsum', [], rest);
    return operator('aten::einsum').call([args[0], tensors]) as Tensor;
  }
  const word = (subscripts: unknown): string => {
    if (!Array.isArray(subscripts)) throw expected('an array of subscripts', 'einsum', subscripts);
    return subscripts.map(letter).join('');
  };
  const pairs = args.length - (args.length % 2);
  const operands = args.filter((_, i) => i < pairs && i % 2 === 0);
  const equation = args
    .filter((_, i) => i < pairs && i % 2 === 1)
    .map(word)
    .join(',');
  return operator('aten::einsum').call([
    pairs < args.length ? `${equation}->${word(args.at(-1))}` : equation,
    operands,
  ]) as Tensor;
}

type Dims = number | readonly [readonly number[], readonly number[]] | Tensor;

/**
 * Contracts dimensions of `a` with dimensions of `b` (`torch.tensordot`).
 * @param args `dims`: how many, the last of `a` with the first of `b`, or which of `a` with which of `b`, also as a tensor of
 *   two rows. Default 2.
 */
export function tensordot(
  a: Tensor,
  b: Tensor,
  ...args: [dims?: Dims] | [options: { dims?: Dims; out?: Tensor }] | [dims: Dims, options: { out?: Tensor }]
): Tensor {
  const { dims = 2, out } = named('tensordot', ['dims', 'out'], args);
  const pairs = dims instanceof Tensor ? (dims.numel() > 1 ? dims.tolist() : Number(dims.item())) : dims;
  let [ofA, ofB]: unknown[] = [];
  if (typeof pairs === 'number') {
    const most = Math.min(a.ndim, b.ndim);
    if (!Number.isInteger(pairs) || pairs < 0 || pairs > most)
      throw expected(`an integer from 0 to ${most}, the fewest dimensions`, 'dims', dims);
    ofA = Array.from({ length: pairs }, (_, i) => i - pairs);
    ofB = Array.from({ length: pairs }, (_, i) => i);
  } else if (Array.isArray(pairs) && pairs.length === 2) {
    [ofA, ofB] = pairs;
  } else {
    throw refusal(
      'tensordot',
      `expected a number or two lists of dimensions for dims but received ${describeArgument(dims)}`,
    );
  }
  return operator('aten::tensordot').call([a, b, ofA, ofB, ...(out === undefined ? [] : [{ out }])]) as Tensor;
}

/** Any number of tensors, one by one or in an array. */
export type AnyTensors = Tensors | [tensors: Tensors];

/** The product of matrices, in the order that takes the fewest multiplications (`torch.chain_matmul`). */
export function chainMatmul(...matrices: AnyTensors): Tensor {
  return overList('chain_matmul', matrices);
}

/** All combinations of the elements of one-dimensional tensors, one a row (`torch.cartesian_prod`). */
export function cartesianProd(...tensors: AnyTensors): Tensor {
  return overList('cartesian_prod', tensors);
}

/** The block-diagonal matrix of these blocks; vectors count as rows (`torch.block_diag`). */
export function blockDiag(...tensors: AnyTensors): Tensor {
  return overList('block_diag', tensors);
}

function overList(name: string, args: readonly unknown[]): Tensor {
  const { tensors, rest } = tensorsFirst(args);
  return operator(`aten::${name}`).call([tensors, ...rest]) as Tensor;
}
