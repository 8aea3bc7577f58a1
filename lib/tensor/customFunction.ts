// Operators of one's own with gradients of one's own (`torch.autograd.Function`), in TypeScript. Both directions are run once
// for each form of the arguments and written down, as captured steps are; from then on LibTorch replays them: on any thread,
// within captured steps, without JavaScript.

import { describe, expected, IsotorchError } from '../errors.js';
import { native } from '../native.js';
import { noGrad } from './autograd.js';
import { recordFunction } from './capture/function.js';
import { collecting, type Dependency, dependsOn, hold } from './capture/recording.js';
import { getRngState, setRngState } from './random.js';
import { tidy } from './scope.js';
import { Tensor } from './tensor.js';

/** What forward hands on to backward. */
export class FunctionContext {
  #saved: readonly Tensor[] = [];

  /** @internal */
  constructor(
    /** For each argument, whether it takes a gradient. */
    readonly needsInputGrad: readonly boolean[],
  ) {}

  /** Keeps tensors for backward: inputs, outputs, or others. Called once, in forward. */
  saveForBackward(...tensors: readonly Tensor[]): void {
    for (const tensor of tensors) if (!(tensor instanceof Tensor)) throw expected('Tensors', 'saveForBackward', tensor);
    this.#saved = tensors;
  }

  /** Those that forward has saved. */
  get savedTensors(): readonly Tensor[] {
    return this.#saved;
  }
}

/** Numbers, strings and booleans among the arguments are settings: each value is a form of its own. */
type Argument = Tensor | number | bigint | boolean | string | null | undefined;

export interface CustomFunction<Args extends readonly Argument[], Result extends Tensor | readonly Tensor[]> {
  /** Shown by errors and `inspect()` of captured steps. */
  name?: string;
  /** Computes the results, without recording for autograd. May not write into its arguments. */
  forward(context: FunctionContext, ...args: Args): Result;
  /**
   * The gradients of all arguments, in their order, from those of the results: null for none. With a single argument that is
   * a tensor, its gradient alone.
   */
  backward(context: FunctionContext, ...gradients: Tensor[]): Tensor | null | readonly (Tensor | null)[];
}

/** A function for one form of its arguments: native records of both directions. */
interface Form {
  readonly forward: number;
  /** 0: no argument takes a gradient. */
  readonly backward: number;
  readonly outputs: number;
  readonly known: ReadonlyMap<Dependency, unknown>;
  /** Whether forward gave an array. */
  readonly several: boolean;
}

/** How many forms to keep; the least recently used goes first. */
const MOST_FORMS = 64;

const finalizers = new FinalizationRegistry<Map<string, Form>>((forms) => {
  for (const form of forms.values()) release(form);
});

function release({ forward, backward }: Form): void {
  native.releaseRecord(forward);
  if (backward !== 0) native.releaseRecord(backward);
}

/** Whether both records hold: what they take from outside is there, and settings are as they were. */
function holds({ forward, backward, known }: Form): boolean {
  return hold(known) && native.recordFits(forward, 0) === 1 && (backward === 0 || native.recordFits(backward, 0) === 1);
}

const isConstant = (value: unknown): boolean =>
  value === null || ['number', 'bigint', 'boolean', 'string', 'undefined'].includes(typeof value);

/**
 * An operator with a gradient of its own (`torch.autograd.Function`).
 *
 * `forward` and `backward` see tensors, but may not read their values: they are recorded, once for each form of the arguments
 * (shapes, dtypes, devices, and the values of those that are no tensors), and replayed from then on. Tensors that they take
 * from outside are captured by reference, and get no gradient. `backward` is differentiated in its turn where asked for.
 *
 * @returns the function. It takes tensors and settings, and gives what `forward` gives.
 * @throws (when called) ERR_CAPTURE for values that are read; ERR_AUTOGRAD for gradients that do not fit
 * @example
 * const cube = torch.autograd.customFunction({
 *   forward(context, x: Tensor) {
 *     context.saveForBackward(x);
 *     return x.pow(3);
 *   },
 *   backward({ savedTensors: [x] }, gradient) {
 *     return gradient.mul(x!.square().mul(3));
 *   },
 * });
 * cube(x).sum().backward();
 */
export function customFunction<Args extends readonly Argument[], Result extends Tensor | readonly Tensor[]>(
  definition: CustomFunction<Args, Result>,
): (...args: Args) => Result {
  const { name = 'custom function', forward, backward } = definition;
  if (typeof forward !== 'function') throw expected('a function', 'forward', forward);
  if (typeof backward !== 'function') throw expected('a function', 'backward', backward);
  const forms = new Map<string, Form>();
  const apply = (...args: Args): Result => {
    const tensors = args.filter((value) => value instanceof Tensor);
    const inputs = Float64Array.from(tensors, ({ handle }) => handle);
    const key = keyOf(args, name) + native.signature(inputs, true);
    let form = forms.get(key);
    let first: Float64Array | null = null;
    if (form !== undefined) {
      forms.delete(key);
      if (!holds(form)) {
        release(form);
        form = undefined;
      }
    }
    if (form === undefined) {
      const made = recordForm(definition as unknown as CustomFunction<Argument[], Result>, args, inputs);
      form = made.form;
      first = made.first;
    } else for (const read of form.known.keys()) dependsOn(read);
    forms.set(key, form);
    for (const [oldest, old] of forms) {
      if (forms.size <= MOST_FORMS) break;
      forms.delete(oldest);
      release(old);
    }
    const results = native.applyFunction(name, form.forward, form.backward, form.outputs, inputs, first);
    const outputs = Array.from(results, (handle) => new Tensor(handle));
    return (form.several ? outputs : outputs[0]) as Result;
  };
  finalizers.register(apply, forms);
  return apply;
}

function keyOf(args: readonly unknown[], name: string): string {
  const parts = args.map((value, i) => {
    if (value instanceof Tensor) return '*';
    if (isConstant(value)) return `${typeof value} ${JSON.stringify(String(value))}`;
    throw expected('a Tensor, a number, a string, a boolean or null', `argument ${i + 1} of ${name}`, value);
  });
  return `${parts.join()};`;
}

function recordForm(
  { forward, backward, name = 'custom function' }: CustomFunction<Argument[], Tensor | readonly Tensor[]>,
  args: readonly Argument[],
  inputs: Float64Array,
): { form: Form; first: Float64Array } {
  const needs = args.map((value) => value instanceof Tensor && native.gradMode() && value.requiresGrad);
  const context = new FunctionContext(needs);
  let outputs: readonly Tensor[] = [];
  let several = false;
  const { result, known } = collecting(() =>
    noGrad(() => {
      const there = recordFunction(inputs, () => {
        const result = forward(context, ...args);
        several = Array.isArray(result);
        outputs = several ? (result as readonly Tensor[]) : [result as Tensor];
        for (const output of outputs) if (!(output instanceof Tensor)) throw notTensors(name, 'forward', output);
        return [...outputs, ...context.savedTensors];
      });
      if (!needs.includes(true)) return { there, back: 0 };
      try {
        return {
          there,
          back: tidy(() => recordBackward(context, outputs, args, (...g) => backward(context, ...g), name)),
        };
      } catch (error) {
        native.releaseRecord(there.id);
        throw error;
      }
    }),
  );
  const { there, back } = result;
  return {
    form: { forward: there.id, backward: back, outputs: outputs.length, known, several },
    first: Float64Array.from(there.results, ({ handle }) => handle),
  };
}

/** Runs backward once with gradients of ones, for its record; random numbers go on as if it had not run. */
function recordBackward(
  { savedTensors, needsInputGrad }: FunctionContext,
  outputs: readonly Tensor[],
  args: readonly Argument[],
  backward: (...gradients: Tensor[]) => Tensor | null | readonly (Tensor | null)[],
  name: string,
): number {
  const device = outputs[0]?.device ?? 'cpu';
  const random = getRngState(device);
  const ones = outputs.map((output) => output.newOnes(output.shape));
  const { id } = recordFunction(
    Float64Array.from([...ones, ...savedTensors], ({ handle }) => handle),
    () => {
      const given = backward(...ones);
      const gradients = Array.isArray(given) ? (given as readonly (Tensor | null)[]) : [given as Tensor | null];
      if (gradients.length !== args.length)
        throw new IsotorchError(
          'ERR_AUTOGRAD',
          `${name}: expected backward to give a gradient, or null, for each of ${args.length} arguments but received ${gradients.length}`,
        );
      return args.flatMap((value, i) => {
        if (!(value instanceof Tensor)) return [];
        const gradient = needsInputGrad[i] ? (gradients[i] ?? null) : null;
        if (gradient !== null && !(gradient instanceof Tensor)) throw notTensors(name, 'backward', gradient);
        if (gradient !== null && gradient.shape.join() !== value.shape.join())
          throw new IsotorchError(
            'ERR_SHAPE',
            `${name}: expected backward to give a gradient of [${value.shape.join(', ')}] for argument ${i + 1} but received [${gradient.shape.join(', ')}]`,
          );
        return [gradient];
      });
    },
  );
  setRngState(random, device);
  return id;
}

const notTensors = (name: string, part: string, value: unknown): IsotorchError =>
  new IsotorchError('ERR_AUTOGRAD', `${name}: expected ${part} to give Tensors but received ${describe(value)}`);
