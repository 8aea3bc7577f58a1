// The `torch` namespace: factories, operators, randomness, gradients and devices under PyTorch's names.

import { expected } from '../errors.js';
import type { NamespaceOperators, OperatorsByName, OwnOperators, TorchOperators } from '../generated/operators.js';
import { type DeviceMemory, native } from '../native.js';
import { autocast } from './autocast.js';
import { enableGrad, grad, inferenceMode, isGradEnabled, noGrad } from './autograd.js';
import { backends } from './backends.js';
import { composedFunctions } from './composed/index.js';
import { customFunction } from './customFunction.js';
import type { Device } from './dtype.js';
import { finfo, iinfo } from './dtypeInfo.js';
import { fromBuffer, tensor } from './factory.js';
import { gradcheck, gradgradcheck } from './gradcheck.js';
import { installOperators, type OperatorNamespace, ops } from './operators.js';
import { getPrintOptions, setPrintOptions } from './print/options.js';
import { Generator, getRngState, manualSeed, setRngState } from './random.js';
import { memory, tidy } from './scope.js';
import { Tensor } from './tensor.js';

const { '': functions, linalg, fft, special } = installOperators();

const own = {
  ...composedFunctions,
  Tensor,
  Generator,
  tensor,
  fromBuffer,
  manualSeed,
  getRngState,
  setRngState,
  noGrad,
  enableGrad,
  inferenceMode,
  isGradEnabled,
  tidy,
  memory,
  autograd: { grad, customFunction, gradcheck, gradgradcheck },
  autocast,
  backends,
  finfo,
  iinfo,
  setPrintOptions,
  getPrintOptions,
  pi: Math.PI,
  e: Math.E,
  inf: Number.POSITIVE_INFINITY,
  nan: Number.NaN,
  /** A new dimension of size 1, in an index. */
  newaxis: null,

  /** Threads that one operator may use; LibTorch's default is the number of cores. */
  getNumThreads: (): number => native.getNumThreads(),
  setNumThreads(count: number): void {
    if (!Number.isInteger(count) || count < 1) throw expected('a positive integer', 'count', count);
    native.setNumThreads(count);
  },

  /** The kind of accelerator that can be used here, such as `'cuda'`; undefined if there is none. */
  accelerator: (): Device | undefined => native.accelerator() as Device | undefined,

  cuda: {
    isAvailable: (): boolean => native.accelerator() === 'cuda',
    deviceCount: (): number => (native.accelerator() === 'cuda' ? native.deviceCount() : 0),
    /** Waits until all work on the device is done. */
    synchronize: (index = 0): void => native.synchronize(index),
    setDevice: (index: number): void => native.setDevice(index),
    /** Bytes in use, reserved and free (`torch.cuda.memory_stats`, `mem_get_info`). @throws ERR_DEVICE without such a device */
    memoryStats: (index = 0): DeviceMemory => native.memoryStats(index),
    resetPeakMemoryStats: (index = 0): void => native.resetPeakMemoryStats(index),
    /** Gives memory that no tensor needs back to the device. */
    emptyCache: (): void => native.emptyCache(),
  },

  /** LibTorch's version. */
  get version(): string {
    return native.buildInfo().runtimeVersion;
  },
};

type Own = typeof own;
export interface Torch extends Own, Omit<TorchOperators, keyof Own> {
  readonly linalg: NamespaceOperators['linalg'];
  readonly fft: NamespaceOperators['fft'];
  readonly special: NamespaceOperators['special'];
  /** Every operator by its namespace and overload: `torch.ops.aten.add.Tensor(a, b)`. Also those not typed elsewhere. */
  readonly ops: OwnOperators & {
    readonly [Namespace in keyof OperatorsByName]: OperatorsByName[Namespace] & OperatorNamespace;
  } & Record<string, OperatorNamespace>;
}

export const torch: Torch = Object.freeze(
  Object.defineProperties({ ...functions, linalg, fft, special, ops }, Object.getOwnPropertyDescriptors(own)),
) as unknown as Torch;
