// Real PyTorch beside our own, for parity tests: ISOTORCH_PYTHON, else the Python that the LibTorch in use belongs to, else
// python3 if it has torch. A call costs 1.3 s or more for `import torch`, so collect all cases of a test file in one call:
//
//   const cases = { a: encode(torch.randn([2, 3])) };
//   const { sums } = runPython(`emit({'sums': [T(x).sum(1) for x in input.values()]})`, cases);
//   expect(decode(sums[0]).tolist()) …
//
// The prelude gives `torch`, `input` (the second argument), `T(json) -> Tensor`, `J(Tensor) -> json` and `emit(value)`,
// which is to be called once; it takes tensors, NaN and infinities anywhere in the value.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { findLibTorch, pythonTorch } from '../../lib/libtorch.js';
import { type DType, type Tensor, torch } from '../../lib/tensor/index.js';

/** A tensor as JSON: bytes in row-major order, little-endian, in base64. */
export interface TensorJson {
  dtype: DType;
  shape: number[];
  data: string;
}

/** The path of a Python that has torch; undefined where there is none. */
export const python: string | undefined = findPython();

/** Runs `code` and returns what it emits. Whatever it prints appears on the console only if it fails. */
// biome-ignore lint/suspicious/noExplicitAny: the shape is whatever the test's own Python code emits
export function runPython(code: string, input: unknown = null): any {
  if (python === undefined) throw new Error('There is no Python with torch here: skip this test with needs(python, …)');
  const ended = spawnSync(python, ['-c', prelude, code], {
    input: JSON.stringify(input, writeNumber),
    stdio: ['pipe', 'pipe', 'pipe', 'pipe'],
    maxBuffer: 2 ** 31 - 1,
  });
  const [, out, err, emitted] = ended.output.map((part) => part?.toString() ?? '');
  if (ended.error) throw ended.error;
  if (ended.status !== 0) throw new Error(`Python ended with ${ended.signal ?? `code ${ended.status}`}\n${out}${err}`);
  const values = (emitted ?? '').split('\n').filter(Boolean);
  if (values.length !== 1)
    throw new Error(`The Python code called emit() ${values.length} times instead of once\n${out}`);
  return JSON.parse(values[0] as string, readNumber);
}

/** A tensor for Python's `T`. */
export function encode(tensor: Tensor): TensorJson {
  const array = tensor.toArraySync();
  const bytes = Buffer.from(array.buffer, array.byteOffset, array.byteLength);
  return { dtype: tensor.dtype, shape: [...tensor.shape], data: bytes.toString('base64') };
}

/** The tensor of Python's `J`. */
export function decode({ dtype, shape, data }: TensorJson): Tensor {
  return torch.fromBuffer(Buffer.from(data, 'base64'), { dtype, shape });
}

// JSON has no NaN and no infinities.
const writeNumber = (_key: string, value: unknown) =>
  typeof value === 'number' && !Number.isFinite(value) ? { $number: String(value) } : value;
const readNumber = (_key: string, value: unknown) =>
  typeof value === 'object' && value !== null && '$number' in value ? Number(value.$number) : value;

const prelude = `
import base64, ctypes, json, math, os, sys, textwrap
import torch

def T(value):
    dtype, shape = getattr(torch, value['dtype']), value['shape']
    data = bytearray(base64.b64decode(value['data']))
    return torch.frombuffer(data, dtype=dtype).reshape(shape).clone() if data else torch.empty(shape, dtype=dtype)

def J(tensor):
    plain = tensor.detach().cpu().resolve_conj().contiguous()
    data = ctypes.string_at(plain.data_ptr(), plain.numel() * plain.element_size()) if plain.numel() else b''
    return {'dtype': str(plain.dtype).removeprefix('torch.'), 'shape': list(plain.shape), 'data': base64.b64encode(data).decode()}

def _plain(value):
    if isinstance(value, torch.Tensor): return J(value)
    if isinstance(value, torch.Size): return list(value)
    if isinstance(value, dict): return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)): return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return {'$number': 'NaN' if math.isnan(value) else 'Infinity' if value > 0 else '-Infinity'}
    return value.item() if hasattr(value, 'item') else value

def emit(value):
    with os.fdopen(os.dup(3), 'w') as out: out.write(json.dumps(_plain(value)) + '\\n')

def _number(value): return float(value['$number'].replace('Infinity', 'inf')) if '$number' in value else value

input = json.load(sys.stdin, object_hook=_number)
exec(compile(textwrap.dedent(sys.argv[1]), '<test>', 'exec'))
`;

function findPython(): string | undefined {
  if (process.env.ISOTORCH_PYTHON) return process.env.ISOTORCH_PYTHON;
  const active = pythonTorch();
  // …/site-packages/torch → the environment's bin/python3
  for (const path of [findLibTorch()?.path, active.path]) {
    const prefix = /^(.*)\/lib(?:64)?\/python3[^/]*\/(?:site|dist)-packages\/torch$/.exec(path ?? '')?.[1];
    if (prefix && existsSync(join(prefix, 'bin', 'python3'))) return join(prefix, 'bin', 'python3');
  }
  return active.path && existsSync(active.interpreter) ? active.interpreter : undefined;
}
