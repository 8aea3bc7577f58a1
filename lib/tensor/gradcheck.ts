// Whether gradients are right: each entry of the Jacobian as autograd has it beside central differences
// (`torch.autograd.gradcheck`). Complex numbers count as pairs of real ones.

import { IsotorchError } from '../errors.js';
import { grad, noGrad } from './autograd.js';
import { isFloating } from './dtype.js';
import { tensor } from './factory.js';
import { Generator } from './random.js';
import { tidy } from './scope.js';
import { Tensor } from './tensor.js';

export interface GradcheckOptions {
  /** Half of the distance between the two values of a difference. @default 1e-6 */
  eps?: number;
  /** How far entries may be apart… @default 1e-5 */
  atol?: number;
  /** … plus this share of the numerical one. @default 1e-3 */
  rtol?: number;
  /** Whether a wrong gradient throws; else the result is false. @default true */
  raiseException?: boolean;
}

type Checked = (...inputs: Tensor[]) => Tensor | readonly Tensor[];

const isComplex = ({ dtype }: Tensor) => dtype.startsWith('complex');
const differentiable = (value: Tensor) => isFloating(value.dtype) || isComplex(value);
const listOf = (value: Tensor | readonly Tensor[]): readonly Tensor[] => (value instanceof Tensor ? [value] : value);

/** The real numbers that it is made of, in a row. */
const reals = (value: Tensor): Float64Array => {
  const plain = (isComplex(value) ? value.resolveConj().viewAsReal() : value).to('float64');
  return plain.detach().toArraySync() as Float64Array;
};

/** The other way: of the dtype, shape and device of `like`. */
function fromReals(values: Float64Array, like: Tensor): Tensor {
  const flat = tensor(values);
  const complex = isComplex(like) ? flat.view([...like.shape, 2]).viewAsComplex() : flat.view(like.shape);
  return complex.to({ dtype: like.dtype, device: like.device });
}

/**
 * Compares the gradients of `fn` at `inputs` with central differences.
 * @param fn tensors to one or several; the same each time.
 * @param inputs those that require gradients are checked: best in float64 or complex128, and small.
 * @returns true, or false with `raiseException: false`.
 * @throws ERR_AUTOGRAD that names output, input and the worst entry
 * @example torch.autograd.gradcheck(cube, [torch.randn([3], { dtype: 'float64', requiresGrad: true })]);
 */
export function gradcheck(fn: Checked, inputs: readonly Tensor[], options: GradcheckOptions = {}): boolean {
  const { raiseException = true } = options;
  const problem = tidy(() => findProblem(fn, inputs, options));
  if (problem === undefined) return true;
  if (raiseException) throw new IsotorchError('ERR_AUTOGRAD', problem);
  return false;
}

/**
 * `gradcheck` of the gradients: whether their own gradients are right.
 * @param gradOutputs what is multiplied with the first gradients. Default: random numbers.
 */
export function gradgradcheck(
  fn: Checked,
  inputs: readonly Tensor[],
  { gradOutputs, ...options }: GradcheckOptions & { gradOutputs?: readonly Tensor[] } = {},
): boolean {
  return tidy(() => {
    const generator = new Generator().manualSeed(0);
    const outputs = noGrad(() => listOf(fn(...inputs))).filter(differentiable);
    const weights =
      gradOutputs ??
      outputs.map((output) => {
        const random = output.newEmpty(output.shape, { device: 'cpu' }).normal_(0, 1, { generator });
        return random.to(output.device).requiresGrad_(true);
      });
    const checked = inputs.filter((input) => input.requiresGrad);
    const first = (...given: Tensor[]): readonly Tensor[] => {
      const points = given.slice(0, inputs.length);
      const results = listOf(fn(...points)).filter(differentiable);
      const kept = results.map((result, i) => [result, given[inputs.length + i]!] as const);
      const reached = kept.filter(([result]) => result.requiresGrad);
      const wanted = points.filter((_, i) => checked.includes(inputs[i]!));
      return grad(
        reached.map(([result]) => result),
        wanted,
        { gradOutputs: reached.map(([, weight]) => weight), createGraph: true, allowUnused: true },
      ).map((gradient, i) => gradient ?? wanted[i]!.mul(0));
    };
    return gradcheck(first, [...inputs, ...weights], options);
  });
}

function findProblem(fn: Checked, inputs: readonly Tensor[], options: GradcheckOptions): string | undefined {
  const { eps = 1e-6, atol = 1e-5, rtol = 1e-3 } = options;
  const points = inputs.map((input) => (input.requiresGrad ? input.detach().clone().requiresGrad_(true) : input));
  const checked = points.filter((point) => point.requiresGrad);
  if (checked.length === 0) return 'gradcheck: expected an input that requires gradients';
  const outputs = listOf(fn(...points));
  for (const [o, output] of outputs.entries()) {
    if (!differentiable(output)) continue;
    const analytic = analyticRows(output, checked);
    for (const [i, point] of checked.entries()) {
      const place = points.indexOf(point);
      const numeric = numericColumns(fn, points, place, o, eps);
      for (const [row, gradient] of analytic.entries()) {
        const values = gradient[i]!;
        for (const [column, difference] of numeric.entries()) {
          const expectedValue = difference[row]!;
          const error = Math.abs(values[column]! - expectedValue);
          if (error <= atol + rtol * Math.abs(expectedValue)) continue;
          return `gradcheck: the gradient of output ${o + 1}, entry ${row}, with respect to input ${place + 1}, entry ${column}, is ${values[column]} by backward and ${expectedValue} by differences`;
        }
      }
    }
  }
  return undefined;
}

/** For each real number of the output, the gradients with respect to all points. */
function analyticRows(output: Tensor, points: readonly Tensor[]): Float64Array[][] {
  const size = reals(output).length;
  return Array.from({ length: size }, (_, row) =>
    tidy(() => {
      if (!output.requiresGrad) return points.map((point) => new Float64Array(reals(point).length));
      const unit = new Float64Array(size);
      unit[row] = 1;
      const gradients = grad([output], points, {
        gradOutputs: [fromReals(unit, output)],
        retainGraph: true,
        allowUnused: true,
      });
      return gradients.map((gradient, i) => reals(gradient ?? points[i]!.detach().mul(0)));
    }),
  );
}

/** For each real number of the point, how all those of the output change with it. */
function numericColumns(
  fn: Checked,
  points: readonly Tensor[],
  place: number,
  output: number,
  eps: number,
): Float64Array[] {
  const point = points[place]!;
  const values = reals(point);
  const at = (column: number, shift: number): Float64Array =>
    tidy(() => {
      const moved = fromReals(values.with(column, values[column]! + shift) as Float64Array, point);
      // It may ask for gradients itself.
      const given = points.map((other, i) => (i === place ? moved.requiresGrad_(true) : other));
      return reals(listOf(fn(...given))[output]!);
    });
  return Array.from(values, (_, column) => {
    const [up, down] = [at(column, eps), at(column, -eps)];
    return up.map((value, i) => (value - down[i]!) / (2 * eps));
  });
}
