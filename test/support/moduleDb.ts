// The modules of PyTorch's own test list beside ours: test/parity/modules.py draws the cases and says what Python made of
// them; here the same is done with our modules, and what differs is told in words.

import { readFileSync } from 'node:fs';
import * as nn from '../../lib/nn/index.js';
import { type DType, Tensor, tidy, torch } from '../../lib/tensor/index.js';
import { decode, runPython, type TensorJson } from './python.js';

/** A value of a call: a tensor (with its name, if a gradient is wanted), a module, or a plain one. */
type Value =
  | { tensor: TensorJson; leaf?: string }
  | { module: string; made: Record<string, Value>; required: string[] }
  | Value[]
  | string
  | number
  | boolean
  | null;

export interface ModuleCase {
  /** PyTorch's class. */
  module: string;
  /** Its number among the cases, and the generator's word for it. */
  about: string;
  dtype: DType;
  training: boolean;
  /** Arguments of the constructor by Python's names, and the names of those that have no default. */
  made: Record<string, Value>;
  required: string[];
  /** Arguments of forward. */
  called: Record<string, Value>;
  calledRequired: string[];
  repr: string;
  /** The state as made from seed 0, the state that it ran with, and the state after that. */
  first: Record<string, TensorJson>;
  state: Record<string, TensorJson>;
  after: Record<string, TensorJson>;
  outputs: TensorJson[];
  gradients: Record<string, TensorJson>;
}

export interface Drawn {
  /** All classes of the list, in its order. */
  names: string[];
  cases: ModuleCase[];
}

interface Draw {
  dtypes: DType[];
  /** Classes of the list; null: all of them. */
  names?: string[] | null;
  /** How many cases of one class. */
  limit?: number | null;
  /** Modules beside the list: Python that makes one, and Python for each input; `leaf(2, 3)` is a random one of that shape. */
  extra?: (readonly [module: string, ...inputs: string[]])[];
}

/** Cases from Python, for each dtype and mode that matters. */
export function drawCases({ dtypes, names = null, limit = null, extra = [] }: Draw): Drawn {
  const script = readFileSync(new URL('../parity/modules.py', import.meta.url), 'utf8');
  const classes = [...new Set(extra.flatMap(([source]) => [...source.matchAll(/nn\.(\w+)/g)].map(([, name]) => name)))];
  return runPython(script, { dtypes, names, limit, extra, extra_classes: classes });
}

/** How far off a value may be, as a part of the largest value there. */
const allowed: Partial<Record<DType, number>> = { float32: 1e-6, float64: 1e-12 };

/** What differs between PyTorch's module and ours; nothing if they are equal. */
export function differences(one: ModuleCase): string[] {
  try {
    return tidy(() => compareWithPython(one));
  } catch (thrown) {
    return [String(thrown)];
  }
}

function compareWithPython(one: ModuleCase): string[] {
  const wrong: string[] = [];
  torch.manualSeed(0);
  const module = make(one.module, one.made, one.required);
  if (numbers(module.toString()) !== numbers(one.repr)) wrong.push(`prints ${module} instead of ${one.repr}`);
  module.to(one.dtype);
  if (one.module.startsWith('Lazy')) forward(module, one, new Map());
  const keys = Object.keys(one.first);
  const state = module.stateDict();
  if ([...state.keys()].join() !== keys.join())
    return [...wrong, `has the state keys ${[...state.keys()]} instead of ${keys}`];
  for (const key of keys)
    if (!same(state.get(key) as Tensor, decode(one.first[key] as TensorJson))) wrong.push(`first values of ${key}`);
  module.loadStateDict(Object.fromEntries(keys.map((key) => [key, decode(one.state[key] as TensorJson)])));
  module.train(one.training);
  const leaves = new Map<string, Tensor>();
  torch.manualSeed(1);
  const outputs = forward(module, one, leaves);
  wrong.push(...compare('output', listed(outputs), listed(one.outputs), one.dtype));
  const sums = outputs.filter(({ requiresGrad }) => requiresGrad).map(weighted);
  if (sums.length > 0) sums.reduce((sum, loss) => sum.add(loss)).backward();
  const gradients = new Map<string, Tensor>();
  for (const [key, { grad }] of module.namedParameters()) if (grad !== null) gradients.set(key, grad);
  for (const [key, { grad }] of leaves) if (grad !== null) gradients.set(`input ${key}`, grad);
  wrong.push(...compare('gradient of', gradients, new Map(Object.entries(one.gradients)), one.dtype));
  wrong.push(...compare('state after it,', module.stateDict(), new Map(Object.entries(one.after)), one.dtype));
  return wrong;
}

/** JavaScript can't tell 2.0 from 2: what Python prints depends on which was written. */
const numbers = (text: string): string => text.replace(/(?<=\d)\.0(?!\d)/g, '');

// ---- making and calling

const camel = (name: string) => name.replace(/(?<=[a-z0-9])_(\w)/g, (_, letter: string) => letter.toUpperCase());
const modules: Record<string, unknown> = { ...nn };

/** Whether `nn` has the class at all. */
export const isThere = (name: string): boolean => typeof modules[name] === 'function';

/** Python's arguments as ours: what has no default by position, the rest by name in a last object. */
function split(values: Record<string, unknown>, required: readonly string[]): unknown[] {
  const rest = Object.entries(values).filter(([name]) => !required.includes(name));
  const options = Object.fromEntries(rest.map(([name, value]) => [camel(name), value]));
  return [...required.map((name) => values[name]), ...(rest.length === 0 ? [] : [options])];
}

function make(name: string, made: Record<string, Value>, required: readonly string[]): nn.AnyModule {
  const Made = modules[name] as new (...args: unknown[]) => nn.AnyModule;
  return new Made(...split(values(made, new Map()), required));
}

function values(given: Record<string, Value>, leaves: Map<string, Tensor>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(given).map(([name, item]) => [name, value(item, leaves)]));
}

function value(given: Value, leaves: Map<string, Tensor>): unknown {
  if (typeof given !== 'object' || given === null) return given;
  if (Array.isArray(given)) return given.map((item) => value(item, leaves));
  if ('module' in given) return make(given.module, given.made, given.required);
  const tensor = decode(given.tensor);
  if (given.leaf !== undefined) leaves.set(given.leaf, tensor.requiresGrad_(true));
  return tensor;
}

/** Modules whose forward has options; all others take what Python takes, in its order. */
const withOptions = /^(MultiheadAttention|Transformer)/;

function forward(module: nn.AnyModule, one: ModuleCase, leaves: Map<string, Tensor>): Tensor[] {
  const given = values(one.called, leaves);
  const inputs = withOptions.test(one.module) ? split(given, one.calledRequired) : Object.values(given);
  return flat((module.forward as (...inputs: unknown[]) => unknown)(...inputs));
}

const flat = (output: unknown): Tensor[] => {
  if (output instanceof Tensor) return [output];
  return typeof output === 'object' && output !== null ? Object.values(output).flatMap(flat) : [];
};

/** A sum in which each element counts differently, so that no gradient is all ones. */
const weighted = (output: Tensor): Tensor =>
  output.mul(torch.arange(output.numel(), { dtype: output.dtype }).cos().view(output.shape)).sum();

// ---- comparing

const listed = <T>(items: readonly T[]): Map<string, T> => new Map(items.map((item, i) => [String(i), item]));

function compare(what: string, ours: Map<string, Tensor>, theirs: Map<string, TensorJson>, dtype: DType): string[] {
  const [mine, wanted] = [[...ours.keys()].sort(), [...theirs.keys()].sort()];
  if (mine.join() !== wanted.join()) return [`${what} ${mine.join(' ')} instead of ${wanted.join(' ')}`];
  return wanted.flatMap((key) => {
    const distance = error(ours.get(key) as Tensor, decode(theirs.get(key) as TensorJson));
    return distance <= (allowed[dtype] ?? 0) ? [] : [`${what} ${key}: off by ${distance.toExponential(1)}`];
  });
}

const same = (ours: Tensor, theirs: Tensor): boolean =>
  ours.dtype === theirs.dtype && ours.shape.join() === theirs.shape.join() && ours.equal(theirs);

/** The largest difference over the largest value; infinite where shape, dtype or places of NaN and infinity differ. */
export function error(ours: Tensor, theirs: Tensor): number {
  if (ours.shape.join() !== theirs.shape.join() || ours.dtype !== theirs.dtype) return Number.POSITIVE_INFINITY;
  if (ours.numel() === 0) return 0;
  if (!theirs.isFloatingPoint()) return ours.equal(theirs) ? 0 : Number.POSITIVE_INFINITY;
  const finite = theirs.isfinite();
  const others = (tensor: Tensor) => tensor.maskedFill(finite, 0).nanToNum(-1, 2, 3);
  if (!others(ours).equal(others(theirs))) return Number.POSITIVE_INFINITY;
  const plain = (tensor: Tensor) => tensor.maskedFill(finite.logicalNot(), 0);
  const largest = plain(theirs).abs().max().item();
  return plain(ours).sub(plain(theirs)).abs().max().item() / (largest === 0 ? 1 : largest);
}
