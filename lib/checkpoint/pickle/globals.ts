// The allow-list: every global that a pickle may name, and what isotorch makes of it. Nothing in a file is ever executed;
// a name only selects one of these small functions, which check their arguments and build values or descriptions. It is
// PyTorch's own list for `weights_only=True`, as far as isotorch has the values.

import { types } from 'node:util';
import { hasStorageClass, type SavedDType, savedDTypes, storageClasses } from '../dtypes.js';
import { ForeignObject } from './foreign.js';
import { rebuildNested } from './nestedRules.js';
import { emptyNumpyArray, numpyDType, numpyFromBuffer, numpyScalar } from './numpy.js';
import { plainRules } from './plainRules.js';
import { rebuildQuantized } from './quantizedRules.js';
import { layoutOf, rebuildSparseTensor } from './sparseRules.js';
import {
  emptyTensorOf,
  rebuildDeviceTensor,
  rebuildMetaTensor,
  rebuildParameter,
  rebuildPlainTensor,
  rebuildTensor,
  rebuildTensorV3,
  rebuildVariable,
} from './tensorRules.js';
import {
  type AnyTensorRef,
  Complex,
  isTensorRef,
  isTuple,
  OrderedDict,
  QuantizationScheme,
  RuleError,
  TorchDevice,
  TorchDType,
  torchSize,
} from './values.js';

/** A global as it lies on the pickle's stack. */
export class PickleGlobal {
  constructor(
    /** `module.name`. */
    readonly name: string,
    /** Called by REDUCE; undefined for classes that only stand in arguments. */
    readonly build?: (args: readonly unknown[]) => unknown,
    /** The dtype of a storage class. */
    readonly storage?: SavedDType | 'untyped',
  ) {}
}

const rules = new Map<string, PickleGlobal | TorchDType | QuantizationScheme>();

function allow(name: string, build?: (args: readonly unknown[]) => unknown): void {
  rules.set(name, new PickleGlobal(name, build));
}

/** What an allowed name stands for; undefined for all others. Python 2's names for the built-ins are known too. */
export const findGlobal = (module: string, name: string): PickleGlobal | TorchDType | QuantizationScheme | undefined =>
  rules.get(`${module === '__builtin__' ? 'builtins' : module}.${name}`);

const pairs = (value: unknown): (readonly [unknown, unknown])[] => {
  if (!Array.isArray(value)) throw new RuleError('expected a list of pairs');
  for (const pair of value)
    if (!Array.isArray(pair) || pair.length !== 2) throw new RuleError('expected a list of pairs');
  return value as [unknown, unknown][];
};

allow('collections.OrderedDict', ([items = []]) => new OrderedDict(pairs(items)));
allow('collections.Counter', ([counts = new Map()]) => {
  if (!types.isMap(counts)) throw new RuleError('expected a dict of counts');
  return new Map(counts);
});

const setOf = ([items = []]: readonly unknown[]) => {
  if (!Array.isArray(items)) throw new RuleError('expected a list');
  return new Set(items);
};
allow('builtins.set', setOf);
allow('builtins.frozenset', setOf);

allow('builtins.complex', ([re, im]) => {
  if (typeof re !== 'number' || typeof im !== 'number') throw new RuleError('expected two numbers');
  return new Complex(re, im);
});

// Protocol 2 has no bytes: Python writes them as text of the characters 0 to 255, and its encoding.
allow('_codecs.encode', ([text, encoding]) => {
  if (typeof text !== 'string' || (encoding !== 'latin1' && encoding !== 'latin-1'))
    throw new RuleError('expected latin1 text');
  const bytes = Buffer.from(text, 'latin1');
  if (bytes.toString('latin1') !== text) throw new RuleError('expected latin1 text');
  return new Uint8Array(bytes);
});
const bytesOf = ([bytes = new Uint8Array(0)]: readonly unknown[]) => {
  if (!types.isUint8Array(bytes)) throw new RuleError('expected bytes');
  return bytes.slice();
};
allow('builtins.bytes', bytesOf);
allow('builtins.bytearray', bytesOf);

allow('torch.Size', ([sizes = []]) => {
  if (!Array.isArray(sizes) || !sizes.every((size) => Number.isSafeInteger(size)))
    throw new RuleError('expected integers');
  return torchSize(sizes);
});
allow('torch.device', ([type, index]) => {
  const known = typeof type === 'string' && (index === undefined || index === null || Number.isSafeInteger(index));
  if (!known) throw new RuleError('expected the type of a device and its index');
  return new TorchDevice(type, (index as number | null) ?? undefined);
});

for (const [name, build] of plainRules) allow(name, build);

for (const dtype of savedDTypes) {
  rules.set(`torch.${dtype}`, TorchDType.of(dtype));
  if (!hasStorageClass(dtype)) continue;
  // Files from before 0.4 name a class for each device.
  for (const module of ['torch', 'torch.cuda']) {
    const name = `${module}.${storageClasses[dtype]}`;
    rules.set(name, new PickleGlobal(name, undefined, dtype));
    const tensors = name.replace('Storage', 'Tensor');
    rules.set(tensors, new PickleGlobal(tensors, () => emptyTensorOf(dtype), dtype));
  }
}
for (const name of ['torch.storage.UntypedStorage', 'torch.UntypedStorage']) {
  rules.set(name, new PickleGlobal(name, undefined, 'untyped'));
}

for (const scheme of QuantizationScheme.all) rules.set(`torch.${scheme}`, scheme);

allow('torch.serialization._get_layout', layoutOf);

allow('torch._utils._rebuild_tensor', rebuildPlainTensor);
allow('torch._utils._rebuild_tensor_v2', rebuildTensor);
allow('torch._utils._rebuild_tensor_v3', rebuildTensorV3);
allow('torch._utils._rebuild_sparse_tensor', rebuildSparseTensor);
allow('torch._utils._rebuild_qtensor', rebuildQuantized);
allow('torch._utils._rebuild_nested_tensor', rebuildNested);
allow('torch._utils._rebuild_meta_tensor_no_storage', rebuildMetaTensor);
for (const name of ['from_numpy', 'from_cpu_tensor'])
  allow(`torch._utils._rebuild_device_tensor_${name}`, rebuildDeviceTensor);
allow('torch._utils._rebuild_xla_tensor', rebuildDeviceTensor);
allow('torch._utils._rebuild_parameter', rebuildParameter);
// What Python set on a parameter or a buffer beside its values has no meaning here and is left out.
allow('torch._utils._rebuild_parameter_with_state', ([data, requiresGrad, hooks]) =>
  rebuildParameter([data, requiresGrad, hooks]),
);
allow('torch.Tensor');
allow('torch.nn.parameter.Buffer');
allow('torch.nn.parameter.Parameter', ([data, requiresGrad]) => rebuildParameter([data, requiresGrad]));
allow('torch.autograd.variable.Variable', ([data, requiresGrad]) => rebuildVariable([data, requiresGrad]));
const tensorClasses = ['torch.Tensor', 'torch.nn.parameter.Parameter', 'torch.nn.parameter.Buffer'];
allow('torch._tensor._rebuild_from_type_v2', ([build, type, args, state]) => {
  if (!(build instanceof PickleGlobal) || !isTuple(args))
    throw new RuleError('expected a function, a class and arguments');
  const tensor = build.name.startsWith('torch._utils._rebuild_') ? build.build?.(args) : undefined;
  if (!isTensorRef(tensor)) throw new RuleError(`expected a function that builds a tensor but received ${build.name}`);
  if (type instanceof ForeignObject && type.args === undefined) return ofSubclass(type, tensor, state);
  if (!(type instanceof PickleGlobal)) throw new RuleError('expected a class');
  if (!tensorClasses.includes(type.name)) throw new RuleError(`expected a tensor class but received ${type.name}`);
  return tensor;
});

/** A tensor of a class of somebody's own: what the class makes of it is not known, but its values are. */
function ofSubclass(type: ForeignObject, tensor: AnyTensorRef, state: unknown): ForeignObject {
  const made = new ForeignObject(type.name, ForeignObject.at(type), [tensor], 'tensor');
  if (state !== null && state !== undefined) made.state = state;
  return made;
}

// NumPy 2 moved its modules; files of both are around.
for (const core of ['numpy.core', 'numpy._core']) {
  allow(`${core}.multiarray.scalar`, numpyScalar);
  allow(`${core}.multiarray._reconstruct`, emptyNumpyArray);
  allow(`${core}.numeric._frombuffer`, numpyFromBuffer);
}
allow('numpy.dtype', numpyDType);
allow('numpy.ndarray');
