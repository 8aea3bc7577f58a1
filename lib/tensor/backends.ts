// Process-wide switches of LibTorch's back ends, under Python's names: `torch.backends.cudnn.benchmark = true`. They may be
// set on any machine and take effect where there is such a device.

import { expected } from '../errors.js';
import { native } from '../native.js';

/** An accessor for one of LibTorch's switches. */
function flag(target: object, key: string, name: string): void {
  Object.defineProperty(target, key, {
    enumerable: true,
    get: () => native.backendFlag(name),
    set(value: unknown) {
      if (typeof value !== 'boolean') throw expected('a boolean', name, value);
      native.backendFlag(name, value);
    },
  });
}

export interface Backends {
  readonly cudnn: {
    /** Whether cuDNN is used. */
    enabled: boolean;
    /** Tries several algorithms for each new shape and takes the fastest: for shapes that repeat. @default false */
    benchmark: boolean;
    /** Only algorithms that give the same bits each time. @default false */
    deterministic: boolean;
    /** TensorFloat-32 in convolutions: 10 bits of mantissa, several times as fast. @default true */
    allowTf32: boolean;
  };
  readonly cuda: {
    readonly matmul: {
      /** TensorFloat-32 in matrix products of float32. @default false */
      allowTf32: boolean;
    };
  };
  readonly mkldnn: {
    /** Whether oneDNN is used on the CPU. */
    enabled: boolean;
  };
}

function make(): Backends {
  const cudnn = {};
  flag(cudnn, 'enabled', 'cudnn.enabled');
  flag(cudnn, 'benchmark', 'cudnn.benchmark');
  flag(cudnn, 'deterministic', 'cudnn.deterministic');
  flag(cudnn, 'allowTf32', 'cudnn.allow_tf32');
  const matmul = {};
  flag(matmul, 'allowTf32', 'cuda.matmul.allow_tf32');
  const mkldnn = {};
  flag(mkldnn, 'enabled', 'mkldnn.enabled');
  return Object.freeze({ cudnn, cuda: Object.freeze({ matmul }), mkldnn }) as Backends;
}

/** `torch.backends`. */
export const backends: Backends = make();
