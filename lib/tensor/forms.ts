// Forms of a call that PyTorch's front takes and the schemas don't: sizes one by one (`zeros(2, 3)`, `x.view(2, -1)`), a
// number in front (`torch.sub(1, x)`) and a factory's requiresGrad. Tried only when no overload takes the arguments as
// they are, so that nothing here is in the way of an ordinary call.

import { expected } from '../errors.js';
import { isInteger, isScalar, type Operator, type Options, type Overload, operator } from './dispatch.js';
import { type Device, type DType, isFloating, type Scalar } from './dtype.js';
import { tidy } from './scope.js';
import { Tensor } from './tensor.js';

/** Operators whose first tensor may be a number (PyTorch's `should_allow_numbers_as_tensors`). */
export const numbersFirst: ReadonlySet<string> = new Set(
  ['add', 'sub', 'subtract', 'mul', 'multiply', 'div', 'divide', 'true_divide', 'floor_divide'].map(
    (name) => `aten::${name}`,
  ),
);

/** Whether the sizes may be given one by one: they are all that it takes by position (beside the tensor). */
export function takesSizes({ arguments: parameters, positional }: Overload): boolean {
  const first = parameters[0]?.kind === 'Tensor' && !parameters[0].list ? 1 : 0;
  const sizes = parameters[first];
  return positional === first + 1 && sizes!.kind === 'int' && sizes!.list;
}

/** The result of the same call in the schemas' words; undefined if it is none of these forms. */
export function restate(
  op: Operator,
  args: readonly unknown[],
  options: Options | undefined,
): { result: unknown } | undefined {
  return sizesOneByOne(op, args, options) ?? numberInFront(op, args, options) ?? factory(op, args, options);
}

const withOptions = (args: readonly unknown[], options: Options | undefined): unknown[] =>
  options ? [...args, options] : [...args];

function sizesOneByOne(op: Operator, args: readonly unknown[], options: Options | undefined) {
  const first = args[0] instanceof Tensor ? 1 : 0;
  const sizes = args.slice(first);
  if (sizes.length === 0 || !sizes.every(isInteger) || !op.overloads.some(takesSizes)) return undefined;
  return { result: op.call(withOptions([...args.slice(0, first), sizes], options)) };
}

function numberInFront(op: Operator, args: readonly unknown[], options: Options | undefined) {
  const [number, other, ...more] = args;
  if (!numbersFirst.has(op.name) || !isScalar(number) || !(isScalar(other) || other instanceof Tensor))
    return undefined;
  if (!(other instanceof Tensor)) {
    const dtype = operator('aten::result_type').call([number, other]) as DType;
    return { result: tidy(() => op.call(withOptions([scalar(number, dtype), other, ...more], options))) };
  }
  const dtype = dtypeBeside(other.dtype, number);
  return {
    result: tidy(() => {
      const first = scalar(number, dtype, other.device);
      if (other.ndim > 0) return op.call(withOptions([first, other, ...more], options));
      return (op.call(withOptions([first, other.view([1]), ...more], options)) as Tensor).view([]);
    }),
  };
}

/**
 * Of a number as a tensor without dimensions: such a one is less than one with dimensions where dtypes of the same kind meet, so
 * that it may hold the number exactly.
 */
function dtypeBeside(other: DType, number: Scalar): DType {
  if (typeof number === 'boolean') return 'bool';
  const kind = kindOf(other);
  const isWhole = isInteger(number);
  if (kind === 'complex' || (typeof number !== 'object' && (kind === 'real' || (kind === 'integer' && isWhole))))
    return widest[kind];
  if (typeof number === 'object') return kind === 'real' && other === 'float64' ? 'complex128' : 'complex64';
  return isWhole ? 'int64' : 'float32';
}

const scalar = (number: Scalar, dtype: DType, device: Device = 'cpu'): unknown =>
  operator('aten::scalar_tensor').call([number, { dtype, device }]);

type Kind = 'bool' | 'integer' | 'real' | 'complex';
const kindOf = (dtype: DType): Kind =>
  dtype === 'bool' ? 'bool' : isFloating(dtype) ? 'real' : dtype.startsWith('complex') ? 'complex' : 'integer';
const widest: Record<Kind, DType> = { bool: 'bool', integer: 'int64', real: 'float64', complex: 'complex128' };

/** requiresGrad is PyTorch's Python side's, not the schema's. */
function factory(op: Operator, args: readonly unknown[], options: Options | undefined) {
  if (!options || !('requiresGrad' in options)) return undefined;
  const { requiresGrad, ...rest } = options;
  if (typeof requiresGrad !== 'boolean') throw expected('a boolean', 'requiresGrad', requiresGrad);
  const result = op.call([...args, rest]);
  return result instanceof Tensor ? { result: result.requiresGrad_(requiresGrad) } : undefined;
}
