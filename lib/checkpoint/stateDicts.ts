// Where the weights are in a checkpoint: training scripts save them beside optimizers, arguments and callbacks, under all kinds of
// names, or as the whole module. Found among descriptions, before any tensor is read, or among tensors.

import { types } from 'node:util';
import { Tensor } from '../tensor/index.js';
import { ForeignObject } from './pickle/foreign.js';
import { type AnyTensorRef, isTensorRef, NestedRef, OrderedDict } from './pickle/values.js';

export interface FoundWeights {
  /** Keys and indices, from the outermost object in. */
  readonly path: readonly string[];
  /** A dict of tensors, or a module of Python's, whose parameters and buffers are taken as `state_dict()` would. */
  readonly kind: 'state dict' | 'module';
  readonly tensors: OrderedDict<string, AnyTensorRef | Tensor>;
  /** Elements of all tensors together. */
  readonly elements: number;
  /** Keys of what is beside its tensors. */
  readonly others: readonly string[];
}

/** Under which PyTorch's users put a model's state, the usual first. */
const usual = [
  'state_dict',
  'model_state_dict',
  'model',
  'module',
  'net',
  'network',
  'weights',
  'params',
  'ema',
  'state_dict_ema',
];
const training = /optim|sched|scaler|rng|random|loop|callback|grad|momentum|(^|_)ema|teacher|^state$|exp_avg/i;

const deepest = 8;
/** Enough for everything around weights; the weights themselves are not searched. */
const mostVisited = 100_000;

/** All dicts of tensors and all modules, the likeliest to be the model first. */
export function findWeights(object: unknown): FoundWeights[] {
  const found: FoundWeights[] = [];
  const seen = new Set<unknown>();
  const visit = (value: unknown, path: readonly string[]): void => {
    if (typeof value !== 'object' || value === null || path.length > deepest || seen.has(value)) return;
    if (seen.size > mostVisited) return;
    seen.add(value);
    const weights = weightsOf(value, path);
    if (weights) {
      found.push(weights);
      if (weights.kind === 'module') return;
    }
    for (const [key, child] of childrenOf(value)) visit(child, [...path, String(key)]);
  };
  visit(object, []);
  return found.sort((a, b) => rank(a) - rank(b) || a.path.length - b.path.length || b.elements - a.elements);
}

/** Lower is likelier. The whole file is the weights where most of it are tensors. */
function rank({ path, tensors, others }: FoundWeights): number {
  if (path.length === 0) return tensors.size > others.length ? -1 : usual.length + 1;
  const at = usual.indexOf(path.at(-1) as string);
  if (at >= 0) return at + (path.slice(0, -1).some((key) => training.test(key)) ? 100 : 0);
  return usual.length + (path.some((key) => training.test(key)) ? 100 : 0);
}

function* childrenOf(value: object): Generator<readonly [unknown, unknown]> {
  if (types.isMap(value)) yield* value;
  else if (Array.isArray(value)) yield* value.entries();
  else if (value instanceof ForeignObject) {
    if (value.state !== undefined) yield* childrenOf(Object(value.state));
    yield* value.entries ?? [];
    yield* (value.items ?? []).entries();
    yield* (value.args ?? []).entries();
  }
}

function weightsOf(value: object, path: readonly string[]): FoundWeights | undefined {
  if (isModule(value)) {
    const tensors = new OrderedDict<string, AnyTensorRef | Tensor>();
    addModule(value, '', tensors, new Set());
    return described(path, 'module', tensors, []);
  }
  const entries = types.isMap(value) ? value : value instanceof ForeignObject ? new Map(value.entries) : undefined;
  if (entries === undefined || entries.size === 0) return undefined;
  const tensors = new OrderedDict<string, AnyTensorRef | Tensor>();
  const others: string[] = [];
  for (const [key, content] of entries) {
    const tensor = tensorIn(content);
    if (tensor && typeof key === 'string') tensors.set(key, tensor);
    else others.push(String(key));
  }
  if (value instanceof OrderedDict && value._metadata !== undefined) tensors._metadata = value._metadata;
  return described(path, 'state dict', tensors, others);
}

function described(
  path: readonly string[],
  kind: FoundWeights['kind'],
  tensors: OrderedDict<string, AnyTensorRef | Tensor>,
  others: readonly string[],
): FoundWeights | undefined {
  let elements = 0;
  for (const tensor of tensors.values()) elements += elementsOf(tensor);
  return tensors.size === 0 ? undefined : { path, kind, tensors, elements, others };
}

const elementsOf = (value: AnyTensorRef | Tensor): number =>
  value instanceof Tensor
    ? value.numel()
    : (value instanceof NestedRef ? value.buffer : value).size.reduce((product, length) => product * length, 1);

/** A tensor, or the plain one in a subclass. */
function tensorIn(value: unknown): AnyTensorRef | Tensor | undefined {
  const bare = value instanceof ForeignObject && ForeignObject.made(value) === 'tensor' ? value.args?.[0] : value;
  return isTensorRef(bare) || bare instanceof Tensor ? bare : undefined;
}

const stateOf = (value: unknown): Map<unknown, unknown> | undefined =>
  value instanceof ForeignObject && types.isMap(value.state) ? value.state : undefined;

const isModule = (value: unknown): boolean => {
  const state = stateOf(value);
  return types.isMap(state?.get('_parameters')) && types.isMap(state?.get('_modules'));
};

/** As `Module.state_dict()` does: its parameters, its persistent buffers, then those of the modules in it, as often as they are there. */
function addModule(
  value: unknown,
  prefix: string,
  into: Map<string, AnyTensorRef | Tensor>,
  above: ReadonlySet<unknown>,
): void {
  const state = stateOf(value);
  if (state === undefined || above.has(value) || above.size > 500) return;
  const passing = state.get('_non_persistent_buffers_set');
  for (const name of ['_parameters', '_buffers']) {
    for (const [key, content] of childrenOf(Object(state.get(name)))) {
      const tensor = tensorIn(content);
      const isPassing = name === '_buffers' && types.isSet(passing) && passing.has(key);
      if (tensor && !isPassing) into.set(prefix + String(key), tensor);
    }
  }
  const modules = state.get('_modules');
  if (!types.isMap(modules)) return;
  for (const [name, child] of modules) addModule(child, `${prefix}${String(name)}.`, into, new Set([...above, value]));
}
