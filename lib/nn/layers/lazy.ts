// Layers that learn from their first input how many channels or features it has, a row each. Until then their parameters
// are empty and wait; with the first input, or with a state dict, the layer becomes the one that its name has after `Lazy`.

import { IsotorchError } from '../../errors.js';
import { Buffer, capture, Parameter, type Tensor, torch } from '../../tensor/index.js';
import { type Fields, read } from '../fields.js';
import { Module } from '../module.js';
import type { Rank, Size } from '../sizes.js';
import { BatchNorm1d, BatchNorm2d, BatchNorm3d, type BatchNormOptions } from './batchNorm.js';
import { Conv1d, Conv2d, Conv3d, type ConvOptions } from './conv.js';
import { ConvTranspose1d, ConvTranspose2d, ConvTranspose3d, type ConvTransposeOptions } from './convTranspose.js';
import { InstanceNorm1d, InstanceNorm2d, InstanceNorm3d, type InstanceNormOptions } from './instanceNorm.js';
import { Linear, type LinearOptions } from './linear.js';
import { normFields } from './statistics.js';

/** A parameter that has no shape yet. Optimizers and modules may hold it: it becomes the real one itself. */
export class UninitializedParameter extends Parameter {}

/** A buffer that has no shape yet. */
export class UninitializedBuffer extends Buffer {}

const waits = (value: unknown): value is UninitializedParameter | UninitializedBuffer =>
  value instanceof UninitializedParameter || value instanceof UninitializedBuffer;

interface Target<L extends Module> {
  new (...args: never): L;
  readonly prototype: L;
  readonly fields: Fields;
}

/** What a lazy layer does not know at first, and where it is read from. */
interface Missing {
  /** The field's name. */
  field: string;
  fromInput(input: Tensor, name: string): number;
  /** From the weights of a state dict; of statistics, where there are no weights. */
  fromState(weights: Tensor, groups: number): number;
  /** Fields whose standard is another one than the layer's. */
  readonly fields?: Fields;
}

type Values = Record<string, unknown> & { groups?: number };

/**
 * The class of a lazy layer, which is one of `Layer` already, as in PyTorch.
 * @param missing is left out of the constructor's arguments
 */
const lazy =
  <Arguments extends unknown[]>() =>
  <L extends Module<Tensor, [Tensor]>>(Layer: Target<L>, missing: Missing): (new (...args: Arguments) => L) => {
    const { [missing.field]: _, ...fields } = { ...Layer.fields, ...missing.fields };
    const make = (values: Values, size: number, place: object) =>
      new (Layer as unknown as new (values: object) => Module)({ ...values, ...place, [missing.field]: size });

    class Lazy extends Module<Tensor, [Tensor]> {
      readonly #values: Values;

      constructor(...args: Arguments) {
        super();
        const values: Values = read(new.target.name, fields, args);
        this.#values = values;
        const pattern = make(values, values.groups ?? 1, { device: 'meta' });
        const device = (values.device ?? 'cpu') as 'cpu';
        for (const [key, value] of Object.entries(pattern)) {
          const empty = () => torch.empty([0], { dtype: value.dtype, device });
          if (value instanceof Parameter) this.#set(key, new UninitializedParameter(empty()));
          else if (value instanceof Buffer) this.#set(key, new UninitializedBuffer(empty()));
          else this.#set(key, value);
        }
        this.#set(missing.field, 0);
      }

      #set(key: string, value: unknown): void {
        (this as Record<string, unknown>)[key] = value;
      }

      override forward(input: Tensor): Tensor {
        this.#initialize(missing.fromInput(input, this.constructor.name));
        try {
          return Layer.prototype.forward.call(this as unknown as L, input); // not this.forward: hooks run once a call
        } finally {
          Object.setPrototypeOf(this, Layer.prototype);
        }
      }

      override prepareForState(own: (name: string) => Tensor | undefined): void {
        const weights = own('weight') ?? own('running_mean');
        if (weights === undefined) return;
        this.#initialize(missing.fromState(weights, this.#values.groups ?? 1));
        Object.setPrototypeOf(this, Layer.prototype);
      }

      #initialize(size: number): void {
        const waiting = Object.values(this).find(waits);
        const place = waiting === undefined ? {} : { dtype: waiting.dtype, device: waiting.device };
        const real = capture.outside(() => make(this.#values, size, place));
        for (const [key, value] of Object.entries(real)) {
          const mine = (this as Record<string, unknown>)[key];
          if (waits(mine)) initialize(mine, value as Tensor);
          else this.#set(key, value);
        }
      }
    }
    // The layer's methods, its print among them, are the lazy one's too.
    Object.setPrototypeOf(Lazy.prototype, Layer.prototype);
    return Lazy as unknown as new (
      ...args: Arguments
    ) => L;
  };

function initialize(waiting: UninitializedParameter | UninitializedBuffer, value: Tensor): void {
  const { requiresGrad } = waiting;
  waiting.replace_(value);
  waiting.requiresGrad = requiresGrad;
  Object.setPrototypeOf(waiting, (waiting instanceof Parameter ? Parameter : Buffer).prototype);
}

// ---- the affine layer

/** `Linear` whose `inFeatures` is the last dimension of its first input (`torch.nn.LazyLinear`). */
export class LazyLinear extends lazy<[outFeatures: number, options?: LinearOptions]>()(Linear, {
  field: 'inFeatures',
  fromInput: (input) => input.shape.at(-1) ?? 1,
  fromState: (weights) => weights.shape[1] as number,
}) {}

// ---- convolutions

type ConvArguments<R extends Rank> = [outChannels: number, kernelSize: Size<R>, options?: ConvOptions<R>];
type ConvTransposeArguments<R extends Rank> = [
  outChannels: number,
  kernelSize: Size<R>,
  options?: ConvTransposeOptions<R>,
];

/** The channels of [N, C, …] or [C, …] with `rank` directions. */
function channels(rank: Rank, input: Tensor, name: string): number {
  const { shape } = input;
  const count = shape.at(-rank - 1);
  if (count !== undefined && shape.length <= rank + 2) return count;
  throw new IsotorchError(
    'ERR_SHAPE',
    `${name}: expected an input of ${rank + 1} or ${rank + 2} dimensions, received [${shape.join(', ')}]`,
  );
}

const ofConv = (rank: Rank): Missing => ({
  field: 'inChannels',
  fromInput: (input, name) => channels(rank, input, name),
  fromState: (weights, groups) => (weights.shape[1] as number) * groups,
});

const ofConvTranspose = (rank: Rank): Missing => ({
  ...ofConv(rank),
  fromState: (weights) => weights.shape[0] as number,
});

/** `Conv1d` whose `inChannels` are those of its first input (`torch.nn.LazyConv1d`). */
export class LazyConv1d extends lazy<ConvArguments<1>>()(Conv1d, ofConv(1)) {}
/** `Conv2d` whose `inChannels` are those of its first input (`torch.nn.LazyConv2d`). */
export class LazyConv2d extends lazy<ConvArguments<2>>()(Conv2d, ofConv(2)) {}
/** `Conv3d` whose `inChannels` are those of its first input (`torch.nn.LazyConv3d`). */
export class LazyConv3d extends lazy<ConvArguments<3>>()(Conv3d, ofConv(3)) {}
/** `ConvTranspose1d` whose `inChannels` are those of its first input (`torch.nn.LazyConvTranspose1d`). */
export class LazyConvTranspose1d extends lazy<ConvTransposeArguments<1>>()(ConvTranspose1d, ofConvTranspose(1)) {}
/** `ConvTranspose2d` whose `inChannels` are those of its first input (`torch.nn.LazyConvTranspose2d`). */
export class LazyConvTranspose2d extends lazy<ConvTransposeArguments<2>>()(ConvTranspose2d, ofConvTranspose(2)) {}
/** `ConvTranspose3d` whose `inChannels` are those of its first input (`torch.nn.LazyConvTranspose3d`). */
export class LazyConvTranspose3d extends lazy<ConvTransposeArguments<3>>()(ConvTranspose3d, ofConvTranspose(3)) {}

// ---- normalisation

/** @param unbatched dimensions of an input without a batch, where there is such a thing */
const ofNorm = (unbatched?: number): Missing => ({
  field: 'numFeatures',
  fromInput: ({ shape }) => shape[unbatched === shape.length ? 0 : 1] as number,
  fromState: (weights) => weights.shape[0] as number,
});

/** `BatchNorm1d` whose `numFeatures` are the channels of its first input (`torch.nn.LazyBatchNorm1d`). */
export class LazyBatchNorm1d extends lazy<[options?: BatchNormOptions]>()(BatchNorm1d, ofNorm()) {}
/** `BatchNorm2d` whose `numFeatures` are the channels of its first input (`torch.nn.LazyBatchNorm2d`). */
export class LazyBatchNorm2d extends lazy<[options?: BatchNormOptions]>()(BatchNorm2d, ofNorm()) {}
/** `BatchNorm3d` whose `numFeatures` are the channels of its first input (`torch.nn.LazyBatchNorm3d`). */
export class LazyBatchNorm3d extends lazy<[options?: BatchNormOptions]>()(BatchNorm3d, ofNorm()) {}
/** PyTorch's lazy instance norms have batch norm's defaults: `affine` and `trackRunningStats` are true. */
const ofInstanceNorm = (unbatched: number): Missing => ({ ...ofNorm(unbatched), fields: normFields(true) });

/** `InstanceNorm1d` whose `numFeatures` are the channels of its first input (`torch.nn.LazyInstanceNorm1d`). */
export class LazyInstanceNorm1d extends lazy<[options?: InstanceNormOptions]>()(InstanceNorm1d, ofInstanceNorm(2)) {}
/** `InstanceNorm2d` whose `numFeatures` are the channels of its first input (`torch.nn.LazyInstanceNorm2d`). */
export class LazyInstanceNorm2d extends lazy<[options?: InstanceNormOptions]>()(InstanceNorm2d, ofInstanceNorm(3)) {}
/** `InstanceNorm3d` whose `numFeatures` are the channels of its first input (`torch.nn.LazyInstanceNorm3d`). */
export class LazyInstanceNorm3d extends lazy<[options?: InstanceNormOptions]>()(InstanceNorm3d, ofInstanceNorm(4)) {}
