// The only file that knows the addon: finds LibTorch and the addon, loads them, and types the boundary.
// Everything above speaks to `native`, a frozen set of functions over numbers (handles), strings and TypedArrays.

import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { IsotorchError } from './errors.js';
import { libTorchNotFound, searchLibTorch } from './libtorch.js';

/** A live tensor's number in the native table; 0 stands for no tensor. */
export type Handle = number;

export type NativeTypedArray =
  | Float32Array
  | Float64Array
  | Int8Array
  | Uint8Array
  | Uint8ClampedArray
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array;

/** One argument or result of an operator's overload, as the running LibTorch describes it. */
export interface NativeValue {
  name: string;
  kind:
    | 'Tensor'
    | 'int'
    | 'float'
    | 'bool'
    | 'Scalar'
    | 'complex'
    | 'str'
    | 'Device'
    | 'ScalarType'
    | 'Layout'
    | 'MemoryFormat'
    | 'Generator'
    | 'unsupported';
  /** In PyTorch's notation, such as `Tensor?[]`. */
  type: string;
  list: boolean;
  optional: boolean;
  optionalElements: boolean;
  keywordOnly: boolean;
  /** For `int[2]`: 2, and a single number stands for both; otherwise 0. */
  repeat: number;
  hasDefault: boolean;
}

export interface NativeOverload {
  number: number;
  overload: string;
  schema: string;
  /** False if an argument has a type without a JavaScript counterpart (streams, storages, custom classes). */
  supported: boolean;
  /** The argument that the result is, for in-place and `out` operators; −1 otherwise. */
  resultIsArgument: number;
  arguments: NativeValue[];
  results: NativeValue[];
}

/** One line of a record. Places: an index of the step's own tensors, −1 − index for those from outside, null for none. */
export interface NativeInstruction {
  name: string;
  /** Arguments that are no tensors, where they differ from their defaults. */
  settings: string;
  uses: (number | null)[];
  /** Tensors whose last use this is. */
  ends: number[];
  results: { place: number | null; kind: string }[];
  /** Measured while recording: bytes held after it, and the most that were held during it. */
  liveBytes: number;
  peakBytes: number;
}

export interface NativeRecord {
  instructions: NativeInstruction[];
  inputs: number;
  outside: number;
  outputs: number[];
  peakBytes: number;
  /** How a device's graph holds it, or why none does; '' where there are no graphs. */
  graph: string;
}

/** What a TorchScript module is made of; tensors by handle, modules inside by number. Equal `same`: one thing under two names. */
export interface NativeScript {
  name: string;
  training: boolean;
  parameters: [name: string, tensor: Handle, same: number][];
  buffers: [name: string, tensor: Handle, same: number][];
  children: [name: string, script: number, same: number][];
  attributes: [name: string, type: string][];
  methods: [name: string, schema: string][];
}

/** Values of a tensor that is printed: all, or of a large one those at the edges. */
export interface NativeEdges {
  shape: number[];
  /** The shape of what is here. */
  shown: number[];
  complex: boolean;
  /** Row-major; pairs where `complex`. */
  data: Float64Array | BigInt64Array | BigUint64Array;
}

/** What a printed tensor shows. Which of the optional members are there tells its kind; with none, it has no values. */
export interface NativePrinted {
  dtype: string;
  device: string;
  layout: string;
  /** Missing in nested tensors. */
  shape?: number[];
  /** The operation that it came from; '' for none. */
  gradFn: string;
  requiresGrad: boolean;
  values?: NativeEdges;
  /** Of a sparse tensor. */
  parts?: { name: string; dtype: string; shape: number[]; values?: NativeEdges }[];
  nnz?: number;
  nested?: NativePrinted[];
  /** Of a quantized tensor; tensors where each channel has its own. */
  scheme?: string;
  scale?: number | NativePrinted;
  zeroPoint?: number | NativePrinted;
  axis?: number;
}

export interface BuildInfo {
  /** The LibTorch that the addon was compiled against. */
  torchVersion: string;
  /** The LibTorch that is running. */
  runtimeVersion: string;
  cxx11Abi: boolean;
  config: string;
  parallel: string;
  cpuCapability: string;
  threads: number;
  interopThreads: number;
}

export interface NativeModule {
  /** Ends what this thread has under way; called when the process exits. */
  close(): void;
  setErrorClass(errorClass: typeof IsotorchError): void;

  operatorNames(): string[];
  overloads(name: string): NativeOverload[];
  call(operator: number, ...args: unknown[]): unknown;

  shape(tensor: Handle): number[];
  ndim(tensor: Handle): number;
  stride(tensor: Handle): number[];
  dtype(tensor: Handle): string;
  /** Undefined for one that has no name here. */
  layout(tensor: Handle): string | undefined;
  device(tensor: Handle): string;
  numel(tensor: Handle): number;
  storageOffset(tensor: Handle): number;
  requiresGrad(tensor: Handle): boolean;
  isContiguous(tensor: Handle): boolean;
  item(tensor: Handle): number | bigint | boolean | { re: number; im: number };
  isAlive(tensor: Handle): boolean;
  alias(tensor: Handle): Handle;
  release(tensor: Handle): boolean;
  keep(tensor: Handle): void;
  beginScope(): void;
  endScope(survivors: Float64Array): void;
  memory(): { tensors: number; bytes: number };

  /** `float32 [2, 3] on cuda:0` */
  inWords(tensor: Handle): string;
  printed(tensor: Handle, threshold: number, edgeitems: number): NativePrinted;

  fromTypedArray(data: ArrayBufferView, dtype: string, shape: readonly number[]): Handle;
  toArray(tensor: Handle): Promise<NativeTypedArray>;
  toArraySync(tensor: Handle): NativeTypedArray;
  storageInfo(tensor: Handle): { id: bigint; nbytes: number };
  storageBytes(tensor: Handle): Uint8Array;

  backward(
    tensors: Float64Array,
    gradients: Float64Array,
    retainGraph: boolean,
    createGraph: boolean,
    inputs: Float64Array,
  ): void;
  grad(
    outputs: Float64Array,
    inputs: Float64Array,
    gradients: Float64Array,
    retainGraph: boolean,
    createGraph: boolean,
    allowUnused: boolean,
  ): (Handle | null)[];
  getGrad(tensor: Handle): Handle | null;
  setGrad(tensor: Handle, gradient: Handle | null): void;
  setRequiresGrad(tensor: Handle, requiresGrad: boolean): void;
  gradMode(enabled?: boolean): boolean;
  beginInference(enabled: boolean): void;
  endInference(): void;
  beginAutocast(device: string, dtype: string | null, enabled: boolean, cacheEnabled: boolean): void;
  endAutocast(): void;

  /** `midGraph`: whether recorded operators may lead to the inputs; else that is refused. */
  signature(inputs: Float64Array, midGraph: boolean): string;
  beginRecording(inputs: Float64Array): void;
  pauseRecording(paused: boolean): void;
  abortRecording(): void;
  /** [the record's number, …handles of the results]. */
  endRecording(outputs: Float64Array): Float64Array;
  /**
   * 1 if it can be replayed now, 0 if not, −1 if that shows only after the steps that the caller has queued, the last of which
   * is of the record `queued` (0: none).
   */
  recordFits(record: number, queued: number): number;
  releaseRecord(record: number): boolean;
  /** Resolves with [1, …handles of the results]. */
  replay(record: number, inputs: Float64Array): Promise<Float64Array>;
  beginRun(): number;
  /** Bytes of inputs that are held for this step and by nothing else; −1, and it is not added, where the run is under way. */
  addStep(run: number, record: number, inputs: Float64Array): number;
  /** Resolves with [steps done, …handles of the results, stacked]. */
  sendRun(run: number): Promise<Float64Array>;
  /** The promise of one that is under way. */
  endRun(run: number, cancel: boolean): Promise<Float64Array> | undefined;
  describeRecord(record: number): NativeRecord;

  /** Records what follows apart from a recording around it. */
  beginFunction(inputs: Float64Array): void;
  abortFunction(): void;
  /** The record's number; 0 among the results is one that is not there. */
  endFunction(results: Float64Array): number;
  /** Handles of the outputs. `backward` 0: none; `first`: what the forward gave while it was recorded. */
  applyFunction(
    name: string,
    forward: number,
    backward: number,
    outputs: number,
    inputs: Float64Array,
    first: Float64Array | null,
  ): Float64Array;
  /** What is asked for each hook that autograd calls; gives [record or 0, …gradients], or nothing to leave them. */
  setHookRunner(run: (hook: number, gradients: Float64Array, recording: boolean) => Float64Array | undefined): void;
  /** Its place among the tensor's hooks. */
  addHook(tensor: Handle, hook: number): number;
  removeHook(hook: number, tensor: Handle, place: number): void;
  /** Hooks that nothing can call any more, told once. */
  droppedHooks(): number[];
  /** The same tensors, whose gradients come together by way of the hook. */
  gate(tensors: Float64Array, hook: number): Float64Array;

  beginFeed(
    sources: Float64Array,
    plan: Handle,
    batch: number,
    from: number,
    count: number,
    ahead: number,
    device: string,
  ): number;
  /** Resolves with the handles of rows of each source and of the plan's columns; none after the last batch. */
  nextOfFeed(feed: number): Promise<Float64Array>;
  endFeed(feed: number): boolean;
  /** A library that registers kernels or operators, for the whole process. */
  openOperators(path: string): void;
  /** An accelerator's plugin for device graphs, for the whole process. */
  openPlugin(path: string): void;

  /** Both resolve with [bytes moved, CRC-32]. */
  readStorage(tensor: Handle, fd: number, start: number, length: number, offset: number): Promise<Float64Array>;

  /** Values as they are now; bytes of the storage as they are now. */
  beginSnapshot(tensor: Handle): number;
  beginStorageSnapshot(tensor: Handle, start: number, length: number): number;
  snapshotSize(snapshot: number): number;
  /** Whether its bytes lie on the CPU as they are to be written. */
  snapshotIsPlain(snapshot: number): boolean;
  snapshotBytes(snapshot: number, start: number, length: number): Promise<Uint8Array>;
  snapshotBytesSync(snapshot: number, start: number, length: number): Uint8Array;
  /** Resolves with [bytes moved, checksum]. */
  writeSnapshot(snapshot: number, fd: number): Promise<Float64Array>;
  endSnapshot(snapshot: number): boolean;

  loadScript(path: string, device: string | null): Promise<number>;
  describeScript(script: number): NativeScript;
  /** `state`: the tensors that the script reaches beside its arguments, for a record. */
  callScript(script: number, method: string, args: unknown[], state: Float64Array): unknown;
  scriptAttribute(script: number, name: string): unknown;
  setScriptAttribute(script: number, name: string, value: unknown): void;
  releaseScript(script: number): boolean;
  loadPackage(path: string, model: string, deviceIndex: number): Promise<number>;
  describePackage(number: number): { metadata: Record<string, string>; constants: string[]; spec: string[] };
  runPackage(number: number, inputs: Float64Array): Float64Array;
  updatePackage(number: number, names: string[], tensors: Float64Array, whole: boolean): void;
  releasePackage(number: number): boolean;

  accelerator(): string | undefined;
  deviceCount(): number;
  setDevice(index: number): void;
  synchronize(index: number): void;
  memoryStats(index: number): DeviceMemory;
  resetPeakMemoryStats(index: number): void;
  emptyCache(): void;
  manualSeed(seed: number | bigint): void;
  createGenerator(device: string): number;
  releaseGenerator(generator: number): boolean;
  seedGenerator(generator: number, seed: number | bigint): void;
  generatorState(generator: number | string): Handle;
  setGeneratorState(generator: number | string, state: Handle): void;
  backendFlag(name: string, value?: boolean): boolean;
  getNumThreads(): number;
  setNumThreads(count: number): void;
  buildInfo(): BuildInfo;
}

/** Bytes of an accelerator's memory. */
export interface DeviceMemory {
  /** In tensors, now and at most since the last `resetPeakMemoryStats`. */
  allocated: number;
  maxAllocated: number;
  /** Held by LibTorch's caching allocator, now and at most. */
  reserved: number;
  maxReserved: number;
  /** Of the device, whoever uses it. */
  free: number;
  total: number;
}

interface Loader {
  open(libraries: string[], bridge: string): NativeModule;
}

const require = createRequire(import.meta.url);
const root = join(dirname(fileURLToPath(import.meta.url)), '..');

/** Where the addon lies: this package's build, or a prebuilt binary of it. */
export function addonPath(): string {
  const nodeGypBuild = require('node-gyp-build') as { path(dir: string): string };
  try {
    return nodeGypBuild.path(root);
  } catch (cause) {
    throw new IsotorchError(
      'ERR_NATIVE_NOT_BUILT',
      `isotorch's addon for ${process.platform}-${process.arch} was not found in ${root}. In a checkout run \`npm run setup\`; ` +
        'as a dependency, install a version that ships a binary for this platform.',
      { cause },
    );
  }
}

function load(): { native: NativeModule; accelerated: readonly Accelerated[] } {
  const { found: libtorch, searched } = searchLibTorch();
  if (!libtorch) throw libTorchNotFound(searched);
  const path = addonPath();
  const bridge = join(dirname(path), 'libisotorch.so');
  const isomax = join(dirname(path), 'libisomax.so');
  if (!existsSync(bridge)) {
    throw new IsotorchError('ERR_NATIVE_NOT_BUILT', `Expected libisotorch.so beside ${path}. Run \`npm run setup\`.`);
  }
  let module: NativeModule;
  try {
    module = (require(path) as Loader).open([...libtorch.libraries, isomax], bridge);
  } catch (cause) {
    const code = (cause as { code?: string }).code === 'ERR_LIBTORCH_VERSION' ? 'ERR_LIBTORCH_VERSION' : 'ERR_LIBTORCH';
    throw new IsotorchError(
      code,
      `isotorch could not start with LibTorch ${libtorch.version} at ${libtorch.path}: ${(cause as Error).message}\n` +
        'Run `npx isotorch doctor` to see what is in the way.',
      { cause },
    );
  }
  module.setErrorClass(IsotorchError);
  process.once('exit', () => module.close());
  const cuda = libtorch.libraries.some((library) => basename(library) === 'libtorch_cuda.so');
  const accelerated = cuda ? openCuda(module, dirname(path)) : [];
  return { native: Object.freeze(module), accelerated };
}

/** One of our libraries for an accelerator. */
export interface Accelerated {
  /** What it is for. */
  name: 'graphs' | 'kernels';
  library: string;
  /** Why it is not in use; null if it is. */
  problem: string | null;
}

/**
 * Everything works without these, but slower: captured steps are replayed operator by operator, and the distance head runs on
 * LibTorch's own operators. So none of them keeps isotorch from starting; `isotorch doctor` tells what is wrong.
 */
export function openCuda(module: Pick<NativeModule, 'openPlugin' | 'openOperators'>, folder: string): Accelerated[] {
  const open = (name: Accelerated['name'], file: string, how: (path: string) => void, takes: string): Accelerated => {
    const library = join(folder, file);
    let problem: string | null = null;
    if (!existsSync(library)) problem = `it was not built, which takes ${takes}`;
    else {
      try {
        how(library);
      } catch (error) {
        problem = (error as Error).message;
      }
    }
    return { name, library, problem };
  };
  return [
    open('graphs', 'libisotorch_cuda.so', module.openPlugin, "CUDA's headers of LibTorch's version"),
    open('kernels', 'libisomax_cuda.so', module.openOperators, "nvcc and CUDA's headers of LibTorch's version"),
  ];
}

const loaded = load();

export const native: NativeModule = loaded.native;

/** Our libraries for the accelerator that this LibTorch is built for, in use or not; none without one. */
export const accelerated: readonly Accelerated[] = loaded.accelerated;
