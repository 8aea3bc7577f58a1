// Optimizers beside PyTorch's, over the cases that PyTorch's own list yields (optimizers.py): weights and state after some
// steps, the same steps captured, and states that go over half-way in both directions.

import { readFileSync } from 'node:fs';
import { capture, optim, Parameter, type Tensor, tidy, torch } from '../../lib/rooms.js';
import { decode, encode, runPython, type TensorJson } from '../support/python.js';

type Json = TensorJson | number | string | boolean | null | readonly Json[];

interface Moment {
  params: TensorJson[];
  state: Record<string, Record<string, Json>>;
  param_groups: Record<string, unknown>[];
}

export interface OptimizerCase {
  name: string;
  desc: string;
  dtype: string;
  kwargs: Record<string, unknown>;
  params: TensorJson[];
  /** The constant part of each step's gradients. */
  constants: TensorJson[][];
  half: Moment;
  end: Moment;
}

export interface Drawn {
  /** All of PyTorch's list. */
  names: string[];
  cases: OptimizerCase[];
}

const program = readFileSync(new URL('optimizers.py', import.meta.url), 'utf8');

export const draw = (options: { steps: number; dtypes: string[]; each: 'all' | 'ends'; only?: string[] }): Drawn =>
  runPython(program, { only: null, ...options });

const classes = optim as unknown as Record<string, new (params: Tensor[], options: object) => optim.Optimizer>;
export const isThere = (name: string): boolean => typeof classes[name] === 'function';

const camelCase = (key: string) => key.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
const real = (tensor: Tensor) => (tensor.isComplex() ? torch.viewAsReal(tensor) : tensor);
const sum = (terms: Tensor[]) => terms.reduce((total, term) => total.add(term));

interface Training {
  params: Parameter[];
  optimizer: optim.Optimizer;
}

function begin({ name, kwargs }: OptimizerCase, params: readonly TensorJson[]): Training {
  const own = params.map((param) => new Parameter(decode(param)));
  const options = Object.fromEntries(Object.entries(kwargs).map(([key, value]) => [camelCase(key), value]));
  return { params: own, optimizer: new classes[name]!(own, options) };
}

/** The steps from one to another; captured where that is asked for. */
async function train(
  given: OptimizerCase,
  { params, optimizer }: Training,
  from: number,
  to: number,
  captured = false,
) {
  const constants = given.constants.map((list) => list.map(decode));
  const dense = (gradients: Tensor[]) => {
    const list = gradients.length < params.length ? params.filter((_, i) => i !== 1) : params;
    optimizer.zeroGrad();
    sum(list.map((p, i) => real(p).mul(real(gradients[i]!)).sum().add(real(p).pow(2).sum().mul(0.05)))).backward();
    optimizer.step();
  };
  const step = captured ? capture(dense) : dense;
  for (let number = from; number < to; number++) {
    const gradients = constants[given.name === 'LBFGS' ? 0 : number]!;
    if (given.name === 'LBFGS') {
      optimizer.step(() => {
        optimizer.zeroGrad();
        const bowl = params.map((p, i) =>
          real(p).sub(real(gradients[i]!)).pow(2).sum().add(real(p).pow(4).sum().mul(0.1)),
        );
        const loss = sum(bowl);
        loss.backward();
        return loss;
      });
    } else if (given.name === 'SparseAdam') {
      optimizer.zeroGrad();
      for (const [i, param] of params.entries()) {
        const rows = torch.tensor([[number % 3, 4, number % 3]]);
        param.grad = torch.sparseCooTensor(rows, gradients[i]!.indexSelect(0, rows.select(0, 0)), param.shape);
      }
      optimizer.step();
    } else await step(number < 3 ? gradients.filter((_, i) => i !== 1) : gradients);
  }
}

const isTensor = (value: unknown): value is TensorJson =>
  typeof value === 'object' && value !== null && 'data' in value && 'dtype' in value;

/** Tensors of a tree decoded. */
function decoded(value: unknown): unknown {
  if (isTensor(value)) return decode(value);
  if (Array.isArray(value)) return value.map(decoded);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, decoded(item)]));
}

/** The greatest difference in units of their scale. */
function distance(ours: Tensor, theirs: Tensor): number {
  if (String(ours.shape) !== String(theirs.shape) || ours.dtype !== theirs.dtype) return Number.POSITIVE_INFINITY;
  const [a, b] = [real(ours).to('float64'), real(theirs).to('float64')];
  const difference = a.sub(b).abs().max().item();
  return difference === 0 ? 0 : difference / Math.max(b.abs().max().item(), 1e-30);
}

/** Every value of a state by its place; one that is nowhere or of another kind is infinitely far. */
function stateDistance(ours: unknown, theirs: unknown): number {
  if (isTensor(theirs)) {
    if (typeof ours === 'number') return stateDistance(ours, decode(theirs).item());
    return typeof (ours as Tensor)?.dtype === 'string'
      ? distance(ours as Tensor, decode(theirs))
      : Number.POSITIVE_INFINITY;
  }
  if (typeof theirs === 'number' && typeof ours === 'number')
    return ours === theirs ? 0 : Math.abs(ours - theirs) / Math.max(Math.abs(theirs), 1e-30);
  if (Array.isArray(theirs) && Array.isArray(ours) && ours.length === theirs.length)
    return Math.max(0, ...theirs.map((item, i) => stateDistance(ours[i], item)));
  return ours === theirs ? 0 : Number.POSITIVE_INFINITY;
}

const bytes = ({ params, optimizer }: Training): string => {
  const state = [...optimizer.stateDict().state.values()].flatMap((entry) => Object.values(entry));
  return JSON.stringify([...params, ...(state.filter((value) => typeof value === 'object') as Tensor[])].map(encode));
};

export interface Outcome {
  /** The greatest difference of weights, of state, and of weights that went on from PyTorch's state. */
  weights: number;
  state: number;
  resumed: number;
  /** Keys that PyTorch's state has and ours has not, or the other way round. */
  keys: string[];
  /** Whether captured steps gave the very bytes; undefined where they are refused. */
  captured: boolean | undefined;
  /** Half-way, for Python to go on from. */
  half: Record<string, unknown>;
}

const refusesCapture = new Set(['LBFGS', 'SparseAdam']);

/** Runs a case here. */
export async function run(given: OptimizerCase, steps: number): Promise<Outcome> {
  const eager = begin(given, given.params);
  await train(given, eager, 0, Math.floor(steps / 2));
  const saved = eager.optimizer.stateDict();
  const half = {
    name: given.name,
    steps,
    constants: given.constants,
    params: eager.params.map(encode),
    groups: saved.param_groups,
    state: Object.fromEntries([...saved.state].map(([key, entry]) => [key, encoded(entry)])),
  };
  await train(given, eager, Math.floor(steps / 2), steps);
  const ended = eager.optimizer.stateDict();
  const weights = Math.max(...eager.params.map((param, i) => distance(param, decode(given.end.params[i]!))));
  const keys: string[] = [];
  let state = 0;
  const compare = (ours: Readonly<Record<string, unknown>>, theirs: Record<string, unknown>, place: string) => {
    for (const key of new Set([...Object.keys(ours), ...Object.keys(theirs)]))
      if (!(key in ours && key in theirs)) keys.push(`${place}.${key}`);
      else state = Math.max(state, stateDistance(ours[key], theirs[key]));
  };
  for (const [number, theirs] of Object.entries(given.end.state))
    compare(ended.state.get(Number(number)) ?? {}, theirs, number);
  if (ended.state.size !== Object.keys(given.end.state).length) keys.push(`${ended.state.size} parameters`);
  for (const [i, theirs] of given.end.param_groups.entries()) compare(ended.param_groups[i]!, theirs, `group ${i}`);

  const fromTheirs = begin({ ...given, kwargs: {} }, given.half.params);
  fromTheirs.optimizer.loadStateDict(decoded(given.half) as never);
  await train(given, fromTheirs, Math.floor(steps / 2), steps);
  const resumed = Math.max(...fromTheirs.params.map((param, i) => distance(param, decode(given.end.params[i]!))));

  let captured: boolean | undefined;
  if (!refusesCapture.has(given.name)) {
    const replayed = begin(given, given.params);
    await train(given, replayed, 0, steps, true);
    captured = bytes(replayed) === bytes(eager);
  }
  return { weights, state, resumed, keys, captured, half };
}

const encoded = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(encoded);
  if (typeof value !== 'object' || value === null) return value;
  if ('dtype' in value && 'handle' in value) return encode(value as Tensor);
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, encoded(item)]));
};

/** Python goes on from our states: how far its weights are from those that it had without the change. */
export function resumedInPython(cases: readonly OptimizerCase[], outcomes: readonly Outcome[]): number[] {
  const ended: TensorJson[][] = runPython(program, { resume: outcomes.map(({ half }) => half) });
  return tidy(() =>
    ended.map((params, i) =>
      Math.max(...params.map((param, j) => distance(decode(param), decode(cases[i]!.end.params[j]!)))),
    ),
  );
}
