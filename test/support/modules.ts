// Modules beside Python's: Python makes each from a seed, runs it and its backward, and tells with what it was made and called
// and what came of it; here the same is done with ours.
import * as nn from '../../lib/nn/index.js';
import { type DType, Tensor, torch } from '../../lib/tensor/index.js';
import { decode, runPython, type TensorJson } from './python.js';

/** A value of a call: a tensor (with its name, if a gradient is wanted), a packed sequence, a module, or a plain one. */
export type Value =
  | { tensor: TensorJson; leaf?: string }
  | { packed: TensorJson; batchSizes: TensorJson; leaf?: string }
  | { module: string; made: Record<string, Value> }
  | Value[]
  | string
  | number
  | boolean
  | null;

export interface ModuleCase {
  /** PyTorch's class. */
  module: string;
  /** In a few words. */
  about: string;
  dtype: DType;
  training: boolean;
  /** Arguments of the constructor and of forward, by Python's names, without those that have their defaults. */
  made: Record<string, Value>;
  called: Record<string, Value>;
  repr: string;
  first: Record<string, TensorJson>;
  outputs: TensorJson[];
  gradients: Record<string, TensorJson>;
}

/**
 * Python's side. `generate(dtype, training)` of the program yields (class name, description, function that makes the module,
 * positional arguments, keyword arguments of forward).
 */
export function modulesInPython(generate: string): ModuleCase[] {
  return runPython(`${prelude}\n${generate}\n${finish}`) as ModuleCase[];
}

const prelude = `
import functools, inspect, sys, types, unittest, warnings
warnings.simplefilter('ignore')
stub = types.ModuleType('expecttest'); stub.TestCase = unittest.TestCase; sys.modules.setdefault('expecttest', stub)
import torch.nn.functional as F
from torch import nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence

orders = {
    'RNN': ['input_size', 'hidden_size', 'num_layers', 'nonlinearity', 'bias', 'batch_first', 'dropout', 'bidirectional'],
    'GRU': ['input_size', 'hidden_size', 'num_layers', 'bias', 'batch_first', 'dropout', 'bidirectional'],
    'LSTM': ['input_size', 'hidden_size', 'num_layers', 'bias', 'batch_first', 'dropout', 'bidirectional', 'proj_size'],
}
def bound(function, args, kwargs, name=None):
    if name in orders: return {**dict(zip(orders[name], args)), **kwargs}
    got = inspect.signature(function).bind(None, *args, **kwargs).arguments
    got = {key: value for key, value in got.items() if key != 'self'}
    return {**got.pop('args', {}), **got} if not isinstance(got.get('args'), tuple) else got

# Each module remembers how it was made.
def remember(cls):
    init = cls.__init__
    @functools.wraps(init)
    def wrapped(self, *args, **kwargs):
        init(self, *args, **kwargs)
        self.__dict__['_made'] = bound(init, args, kwargs, cls.__name__)
    cls.__init__ = wrapped
names = ['RNN', 'GRU', 'LSTM', 'RNNCell', 'GRUCell', 'LSTMCell', 'MultiheadAttention', 'TransformerEncoderLayer',
         'TransformerDecoderLayer', 'TransformerEncoder', 'TransformerDecoder', 'Transformer', 'LayerNorm', 'GELU']
for name in names: remember(getattr(nn, name))

def describe(value, name, leaves):
    def leaf(tensor):
        if not tensor.requires_grad: return {}
        leaves[name] = tensor
        return {'leaf': name}
    if isinstance(value, PackedSequence):
        return {'packed': value.data, 'batchSizes': value.batch_sizes, **leaf(value.data)}
    if isinstance(value, torch.Tensor): return {'tensor': value, **leaf(value)}
    if isinstance(value, nn.Module):
        return {'module': type(value).__name__, 'made': {k: describe(v, k, {}) for k, v in value._made.items()}}
    if isinstance(value, (tuple, list)): return [describe(v, f'{name}.{i}', leaves) for i, v in enumerate(value)]
    if isinstance(value, torch.dtype): return str(value).removeprefix('torch.')
    if isinstance(value, torch.device): return str(value)
    if value is F.gelu: return 'gelu'
    if value is F.relu: return 'relu'
    return value

def flat(value):
    if isinstance(value, PackedSequence): return [value.data]
    if isinstance(value, torch.Tensor): return [value]
    return [t for v in value or [] for t in flat(v)]
`;

const finish = `
def fresh(value):
    # Leaves of this case's own, so that gradients belong to it.
    if isinstance(value, PackedSequence): return PackedSequence(fresh(value.data), *value[1:])
    if isinstance(value, torch.Tensor): return value.detach().clone().requires_grad_(value.requires_grad)
    if isinstance(value, (tuple, list)): return type(value)(fresh(v) for v in value)
    return value

found = []
for dtype in (torch.float32, torch.float64):
    for training in (True, False):
        torch.manual_seed(7)
        for name, about, make, args, kwargs in generate(dtype, training):
            torch.manual_seed(0)
            module = make()
            first = {key: value.clone() for key, value in module.state_dict().items()}
            module.train(training)
            args, kwargs = fresh(args), {key: fresh(value) for key, value in kwargs.items()}
            leaves = {}
            called = {k: describe(v, k, leaves) for k, v in bound(type(module).forward, args, kwargs).items()}
            torch.manual_seed(1)
            outputs = flat(module(*args, **kwargs))
            loss = sum((o * torch.cos(torch.arange(o.numel(), dtype=o.dtype)).view_as(o)).sum() for o in outputs)
            loss.backward()
            grads = {key: p.grad for key, p in module.named_parameters() if p.grad is not None}
            grads.update({'input ' + key: value.grad for key, value in leaves.items() if value.grad is not None})
            found.append({'module': name, 'about': about, 'dtype': str(dtype).removeprefix('torch.'), 'training': training,
                          'made': {k: describe(v, k, {}) for k, v in module._made.items()}, 'called': called,
                          'repr': repr(module), 'first': first, 'outputs': outputs, 'gradients': grads})
emit(found)
`;

const camel = (name: string) => name.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase());

/** How many arguments our constructor takes before its options, in Python's order. */
const required: Record<string, readonly string[]> = {
  MultiheadAttention: ['embed_dim', 'num_heads'],
  TransformerEncoderLayer: ['d_model', 'nhead'],
  TransformerDecoderLayer: ['d_model', 'nhead'],
  TransformerEncoder: ['encoder_layer', 'num_layers'],
  TransformerDecoder: ['decoder_layer', 'num_layers'],
  Transformer: [],
  LayerNorm: ['normalized_shape'],
  GELU: [],
};
const forwards: Record<string, readonly string[]> = {
  MultiheadAttention: ['query', 'key', 'value'],
  TransformerEncoderLayer: ['src'],
  TransformerDecoderLayer: ['tgt', 'memory'],
  TransformerEncoder: ['src'],
  TransformerDecoder: ['tgt', 'memory'],
  Transformer: ['src', 'tgt'],
};

/** `{ a_b: 1 }` with the first in order, the others as options. */
function split(values: Record<string, unknown>, first: readonly string[]): unknown[] {
  const rest = Object.entries(values).filter(([name]) => !first.includes(name));
  return [...first.map((name) => values[name]), Object.fromEntries(rest.map(([name, value]) => [camel(name), value]))];
}

function value(given: Value, leaves: Map<string, Tensor>): unknown {
  if (typeof given !== 'object' || given === null) return given;
  if (Array.isArray(given)) return given.map((item) => value(item, leaves));
  if ('module' in given) return make(given.module, given.made);
  const keep = (tensor: Tensor) => {
    if (given.leaf !== undefined) leaves.set(given.leaf, tensor.requiresGrad_(true));
    return tensor;
  };
  if ('tensor' in given) return keep(decode(given.tensor));
  return new nn.utils.rnn.PackedSequence(keep(decode(given.packed)), decode(given.batchSizes));
}

const values = (given: Record<string, Value>, leaves = new Map<string, Tensor>()) =>
  Object.fromEntries(Object.entries(given).map(([name, item]) => [name, value(item, leaves)]));

const modules: Record<string, unknown> = nn;

function make(name: string, made: Record<string, Value>): nn.AnyModule {
  const Made = modules[name] as new (...args: unknown[]) => nn.AnyModule;
  return new Made(...split(values(made), required[name] ?? ['input_size', 'hidden_size']));
}

export interface Outcome {
  repr: string;
  first: Record<string, Tensor>;
  outputs: Tensor[];
  gradients: Record<string, Tensor>;
}

/** The case with our module. */
export function runCase({ module: name, made, called, training }: ModuleCase): Outcome {
  torch.manualSeed(0);
  const module = make(name, made);
  const first = Object.fromEntries([...module.stateDict()].map(([key, tensor]) => [key, tensor.clone()]));
  module.train(training);
  const leaves = new Map<string, Tensor>();
  const given = values(called, leaves);
  const order = forwards[name];
  const args = order === undefined ? Object.values(given) : split(given, order);
  torch.manualSeed(1);
  const outputs = flat((module.forward as (...args: unknown[]) => unknown)(...args));
  const losses = outputs.map((output) => {
    const ramp = torch.arange(output.numel(), { dtype: output.dtype }).cos().view(output.shape);
    return output.mul(ramp).sum();
  });
  losses.reduce((sum, loss) => sum.add(loss)).backward();
  const gradients: Record<string, Tensor> = {};
  for (const [key, { grad }] of module.namedParameters()) if (grad !== null) gradients[key] = grad;
  for (const [key, { grad }] of leaves) if (grad !== null) gradients[`input ${key}`] = grad;
  return { repr: module.toString(), first, outputs, gradients };
}

function flat(output: unknown): Tensor[] {
  if (output instanceof Tensor) return [output];
  if (output instanceof nn.utils.rnn.PackedSequence) return [output.data];
  return Array.isArray(output) ? output.flatMap(flat) : [];
}

/** The largest difference over the largest value there, in multiples of what is allowed. */
export function excess(ours: Tensor, theirs: Tensor, allowed: number): number {
  if (ours.shape.join() !== theirs.shape.join() || ours.dtype !== theirs.dtype) return Number.POSITIVE_INFINITY;
  if (ours.numel() === 0) return 0;
  const difference = ours.sub(theirs).abs().max().item();
  const nan = !(difference >= 0) && !torch.equal(ours.nanToNum(), theirs.nanToNum());
  return nan ? Number.POSITIVE_INFINITY : difference / (allowed * Math.max(1, theirs.abs().max().item()));
}
