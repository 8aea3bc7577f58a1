// The same values with another dtype or on another device: `to` and its short names.

import { expected } from '../../errors.js';
import { named } from '../composed/named.js';
import { type Device, type DType, dtypes, isDType, type MemoryFormat } from '../dtype.js';
import { Tensor } from '../tensor.js';
import { membersOfTensor } from './members.js';

export interface ToOptions {
  dtype?: DType;
  device?: Device;
  nonBlocking?: boolean;
  copy?: boolean;
  memoryFormat?: MemoryFormat;
}
type More = Pick<ToOptions, 'nonBlocking' | 'copy' | 'memoryFormat'>;
type ToArguments =
  | [target: DType | Device | Tensor | ToOptions | (More & { other: Tensor })]
  | [dtype: DType, nonBlocking?: boolean, copy?: boolean]
  | [dtype: DType, options: More]
  | [device: Device | null, dtype?: DType | null, nonBlocking?: boolean, copy?: boolean]
  | [device: Device, options: More & { dtype?: DType }]
  | [device: Device, dtype: DType, options: More]
  | [other: Tensor, nonBlocking?: boolean, copy?: boolean]
  | [other: Tensor, options: More];

export interface Keep {
  memoryFormat?: MemoryFormat;
}

const always = ['nonBlocking', 'copy', 'memoryFormat'] as const;

/** What the arguments of `to` say, in each of the forms that they may come in. */
function wanted(args: readonly unknown[]): { [Key in keyof ToOptions]?: unknown } {
  const [first] = args;
  const { other, ...rest } =
    first instanceof Tensor
      ? named('to', ['other', ...always], args)
      : isDType(first)
        ? { ...named('to', ['dtype', ...always], args), other: undefined }
        : typeof first === 'string' || first === null
          ? { ...named('to', ['device', 'dtype', ...always], args), other: undefined }
          : named('to', ['dtype', 'device', ...always, 'other'], args, 0);
  return other instanceof Tensor ? { ...rest, dtype: other.dtype, device: other.device } : rest;
}

/** `cuda:0` is not told from `cuda`, which is the current one: only the processor's name means one place. */
const isAt = (tensor: Tensor, device: string): boolean =>
  device === tensor.device || (device === 'cpu' && /^cpu/.test(tensor.device));

const kept = (name: string, args: readonly unknown[]): Keep => named(name, ['memoryFormat'], args, 0) as Keep;

const cast = (name: string, dtype: DType) =>
  function (this: Tensor, ...args: [options?: Keep]): Tensor {
    return this.to({ dtype, ...kept(name, args) });
  };

export const conversion = membersOfTensor({
  /**
   * This tensor with another dtype or device, or itself where nothing changes (`Tensor.to`).
   * @example x.to('float64'); x.to('cuda', 'float16'); x.to(other); x.to({ dtype: 'bfloat16', nonBlocking: true });
   */
  to(...args: ToArguments): Tensor {
    const { dtype: dtypeOrNull, device: deviceOrNull, nonBlocking = false, copy = false, memoryFormat } = wanted(args);
    const dtype = dtypeOrNull ?? undefined;
    const device = deviceOrNull ?? undefined;
    if (args[0] === undefined || (args[0] === null && dtype === undefined))
      throw expected('a dtype, a device or options', 'to', args[0]);
    if (dtype !== undefined && !isDType(dtype))
      throw expected(`one of ${dtypes.slice(0, 12).join(', ')} …`, 'dtype', dtype, 'ERR_DTYPE');
    if (device !== undefined && typeof device !== 'string') throw expected('a device', 'device', device);
    if (typeof copy !== 'boolean') throw expected('a boolean', 'copy', copy);
    if (typeof nonBlocking !== 'boolean') throw expected('a boolean', 'nonBlocking', nonBlocking);
    const stays =
      !copy &&
      memoryFormat === undefined &&
      (dtype === undefined || dtype === this.dtype) &&
      (device === undefined || isAt(this, device));
    if (stays) return this as unknown as Tensor;
    return this._toCopy({
      ...(dtype === undefined ? {} : { dtype }),
      ...(device === undefined ? {} : { device: device as Device }),
      ...(memoryFormat === undefined ? {} : { memoryFormat: memoryFormat as MemoryFormat }),
      nonBlocking,
    });
  },

  /** `to('float32')`; likewise below. */
  float: cast('float', 'float32'),
  double: cast('double', 'float64'),
  half: cast('half', 'float16'),
  bfloat16: cast('bfloat16', 'bfloat16'),
  long: cast('long', 'int64'),
  int: cast('int', 'int32'),
  short: cast('short', 'int16'),
  char: cast('char', 'int8'),
  byte: cast('byte', 'uint8'),
  bool: cast('bool', 'bool'),
  cfloat: cast('cfloat', 'complex64'),
  cdouble: cast('cdouble', 'complex128'),
  cpu(...args: [options?: Keep]): Tensor {
    return this.to({ device: 'cpu', ...kept('cpu', args) });
  },
  /** On that accelerator, by default the current one (`Tensor.cuda`). */
  cuda(
    ...args:
      | [device?: Device | number | null, nonBlocking?: boolean]
      | [options: Keep & { device?: Device | number | null; nonBlocking?: boolean }]
      | [device: Device | number, options: Keep & { nonBlocking?: boolean }]
  ): Tensor {
    const { device, ...rest } = named('cuda', ['device', 'nonBlocking', 'memoryFormat'], args, 2);
    const place = typeof device === 'number' ? `cuda:${device}` : (device ?? 'cuda');
    return this.to({ device: place, ...rest } as ToOptions);
  },
});
