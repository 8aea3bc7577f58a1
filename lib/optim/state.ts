// What an optimizer keeps for a parameter: named tensors, made at the parameter's first step, laid out in memory as the
// parameter is and moved with it when the model is.

import { expected } from '../errors.js';
import { field, fieldsOf } from '../fields.js';
import type { OptimizerName, SettingsOf, StateOf } from '../known/optimizers.js';
import { snakeCase } from '../known/optimSettings.js';
import { capture, type Device, type DType, Tensor, tidy, torch } from '../tensor/index.js';
import type { ParamGroup } from './paramGroup.js';
import { misfit, type SavedState } from './stateDict.js';

/** One of the tensors that an optimizer keeps for each parameter. */
export interface Kept<S> {
  make(param: Tensor, group: ParamGroup & S): Tensor;
  /** What it has of the parameter besides the device: shape, dtype and layout; the dtype; nothing. */
  readonly follows: 'layout' | 'dtype' | 'device';
  /** Where it is needed. @default everywhere */
  when?(group: ParamGroup & S, param: Tensor): boolean;
  /** Whether PyTorch keeps a Python number. */
  readonly isNumber?: boolean;
}

/** What an optimizer of the known ones keeps: all that its row says, and nothing else. */
export type KeptBy<N extends OptimizerName> = Readonly<Record<StateOf<N>, Kept<SettingsOf<N>>>>;

/** Zeros, or another value, like the parameter. Of a complex parameter both parts are. */
export const like = <S>(value: (group: ParamGroup & S) => number = () => 0): Kept<S> => ({
  make(param, group) {
    const start = value(group);
    const filled = torch.fullLike(param.detach(), start);
    return start !== 0 && filled.isComplex() ? filled.add_({ re: 0, im: start }) : filled;
  },
  follows: 'layout',
});

/** One number per parameter, in float32 beside it. */
export const scalar = <S>(value: (group: ParamGroup & S) => number = () => 0): Kept<S> => ({
  make: ({ device }, group) => torch.full([], value(group), { dtype: 'float32', device }),
  follows: 'device',
});

export class ParamState {
  readonly tensors: Record<string, Tensor> = {};
  #dtype: DType;
  #device: Device;
  #strides: string;

  constructor(param: Tensor, strides: readonly number[]) {
    this.#dtype = param.dtype;
    this.#device = param.device;
    this.#strides = String(strides);
  }

  get isEmpty(): boolean {
    return Object.keys(this.tensors).length === 0;
  }

  /** Makes what is missing, outside of any record. @returns whether something was */
  complete<S>(kept: Readonly<Record<string, Kept<S>>>, param: Tensor, group: ParamGroup & S): boolean {
    let isNew = false;
    for (const key in kept) {
      const { make, when } = kept[key]!;
      if (this.tensors[key] !== undefined || when?.(group, param) === false) continue;
      this.tensors[key] = capture.outside(() => make(param, group).keep());
      isNew = true;
    }
    return isNew;
  }

  /** After the model was moved to another device, dtype or memory format. */
  follow<S>(kept: Readonly<Record<string, Kept<S>>>, param: Tensor, strides: readonly number[]): void {
    const { dtype, device } = param;
    const layout = String(strides);
    if (dtype === this.#dtype && device === this.#device && layout === this.#strides) return;
    // Once, as making it was once: a record that moved it would move it again in each replay.
    capture.outside(() => {
      for (const [key, tensor] of Object.entries(this.tensors)) {
        const { follows } = kept[key]!;
        if (follows === 'layout') tensor.replace_(torch.emptyLike(param.detach()).copy_(tensor));
        else tensor.replace_(tensor.to(follows === 'dtype' ? { dtype, device } : { device }));
      }
    });
    this.#dtype = dtype;
    this.#device = device;
    this.#strides = layout;
  }

  /** Under PyTorch's names; the tensors share memory with these. */
  packed<S>(kept: Readonly<Record<string, Kept<S>>>): Record<string, unknown> {
    const entries = Object.entries(this.tensors).map(([key, tensor]) => [
      snakeCase(key),
      kept[key]!.isNumber ? tensor.item() : tensor.detach(),
    ]);
    return Object.fromEntries(entries);
  }

  /**
   * Copies what a file has for the parameter.
   * @throws ERR_STATE_DICT for what is missing, is no tensor, or has another shape
   */
  load<S>(kept: Readonly<Record<string, Kept<S>>>, param: Tensor, group: ParamGroup & S, saved: SavedState): void {
    if (fieldsOf(saved.fields).length === 0) return;
    for (const [key, { make, when }] of Object.entries(kept)) {
      const name = snakeCase(key);
      const value: unknown = field(saved.fields, name) ?? null;
      // PyTorch's SGD has none before a parameter's first gradient.
      if (value === null && (name === 'momentum_buffer' || when?.(group, param) === false)) continue;
      if (!(value instanceof Tensor) && typeof value !== 'number')
        throw expected('a Tensor', `${name} of parameter ${saved.number}`, value, 'ERR_STATE_DICT');
      const tensor = tidy(() => {
        const made = make(param, group);
        if (typeof value === 'number') return made.fill_(value);
        if (value.numel() !== made.numel() || String(value.shape) !== String(made.shape))
          throw misfit(
            `${name} of shape [${made.shape.join(', ')}] for parameter ${saved.number}`,
            `[${value.shape.join(', ')}]`,
          );
        return made.copy_(value.layout === 'strided' ? value : value.toDense());
      });
      this.tensors[key] = tensor.keep();
    }
  }

  dispose(): void {
    for (const tensor of Object.values(this.tensors)) tensor.dispose();
  }
}
