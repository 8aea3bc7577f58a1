// Loss scaling for float16 (Micikevicius et al. 2018): gradients that would underflow are computed of a loss that is
// multiplied by a large number, and divided by it before the optimizer moves. A step with an infinite gradient is left out
// and the scale halved. Scale and findings stay on the device: no step waits for a number.

import { expected, IsotorchError } from '../errors.js';
import { field } from '../fields.js';
import { inRange } from '../known/optimSettings.js';
import type { Optimizer } from '../optim/index.js';
import { capture, type Device, Tensor, tidy, torch } from '../tensor/index.js';

export interface GradScalerOptions {
  /** Where scale and findings live. @default 'cuda' */
  device?: Device;
  /** @default 65536 */
  initScale?: number;
  /** The scale is multiplied by it after `growthInterval` steps without an infinity. @default 2 */
  growthFactor?: number;
  /** The scale is multiplied by it after a step with one. @default 0.5 */
  backoffFactor?: number;
  /** @default 2000 */
  growthInterval?: number;
  /** False: `scale`, `step` and `update` do what they would without a scaler. @default true */
  enabled?: boolean;
}

/** PyTorch's layout: `torch.amp.GradScaler.load_state_dict` takes it. */
export interface GradScalerState {
  scale: number;
  growth_factor: number;
  backoff_factor: number;
  growth_interval: number;
  _growth_tracker: number;
}

/** Where an optimizer stands between two updates. */
interface Stage {
  unscaled: boolean;
  stepped: boolean;
  foundInf: Tensor | undefined;
}

/**
 * `torch.amp.GradScaler`. For float16; bfloat16 has float32's range and needs none.
 * @throws ERR_ARGUMENT for factors out of range, or calls in the wrong order
 * @example
 * const loss = autocast('cuda', 'float16', () => criterion.forward(model.forward(images), labels));
 * optimizer.zeroGrad();
 * scaler.scale(loss).backward();
 * scaler.step(optimizer);
 * scaler.update();
 */
export class GradScaler {
  readonly enabled: boolean;
  readonly #device: Device;
  #growthFactor: number;
  #backoffFactor: number;
  #growthInterval: number;
  readonly #scale: Tensor;
  readonly #growthTracker: Tensor;
  readonly #stages = new Map<Optimizer, Stage>();
  readonly #settings = [() => this.#growthFactor, () => this.#backoffFactor, () => this.#growthInterval];

  constructor(options: GradScalerOptions = {}) {
    const { device = 'cuda', initScale = 65536, growthFactor = 2, backoffFactor = 0.5 } = options;
    const { growthInterval = 2000, enabled = true } = options;
    this.enabled = enabled;
    this.#device = enabled ? device : 'cpu';
    if (!(inRange(growthFactor, 'growthFactor') > 1)) throw expected('a number above 1', 'growthFactor', growthFactor);
    if (!(inRange(backoffFactor, 'backoffFactor') < 1))
      throw expected('a number below 1', 'backoffFactor', backoffFactor);
    if (!Number.isSafeInteger(growthInterval) || growthInterval < 1)
      throw expected('a positive integer', 'growthInterval', growthInterval);
    this.#growthFactor = growthFactor;
    this.#backoffFactor = backoffFactor;
    this.#growthInterval = growthInterval;
    this.#scale = torch.full([], inRange(initScale, 'initScale'), { dtype: 'float32', device: this.#device }).keep();
    this.#growthTracker = torch.zeros([], { dtype: 'int32', device: this.#device }).keep();
  }

  /** The loss times the scale: call `backward()` on that. */
  scale(loss: Tensor): Tensor {
    if (!(loss instanceof Tensor)) throw expected('a Tensor', 'loss', loss);
    return this.enabled ? loss.mul(this.#scale.to(loss.device)) : loss;
  }

  /** Divides the gradients by the scale already now, to clip them or to look at them. At most once a step. */
  unscale_(optimizer: Optimizer): void {
    if (!this.enabled) return;
    const stage = this.#stage(optimizer);
    if (stage.unscaled || stage.stepped)
      throw new IsotorchError('ERR_ARGUMENT', 'Expected unscale_ once for each optimizer and before its step()');
    torch.noGrad(() => {
      stage.foundInf = this.#check(
        optimizer,
        tidy(() => this.#scale.to('float64').reciprocal().to('float32')),
      );
    });
    stage.unscaled = true;
  }

  /** Moves the optimizer's parameters, unless a gradient is infinite or NaN. */
  step(optimizer: Optimizer): void {
    if (!this.enabled) {
      optimizer.step();
      return;
    }
    const stage = this.#stage(optimizer);
    if (stage.stepped)
      throw new IsotorchError('ERR_ARGUMENT', 'Expected update() between two calls of step() with the same optimizer');
    torch.noGrad(() => {
      stage.foundInf ??= this.#check(optimizer, torch.ones([], { device: this.#device }));
      optimizer.step({ foundInf: stage.foundInf, ...(stage.unscaled ? {} : { gradScale: this.#scale }) });
    });
    stage.stepped = true;
  }

  /** Sets the scale for the next step, from what was found in this one. */
  update(): void {
    if (!this.enabled) return;
    for (const read of this.#settings) capture.dependsOn(read);
    const found = [...this.#stages.values()].flatMap(({ foundInf }) => (foundInf ? [foundInf] : []));
    if (found.length === 0)
      throw new IsotorchError('ERR_ARGUMENT', 'Expected step() or unscale_() of an optimizer before update()');
    torch.noGrad(() =>
      tidy(() => {
        const any = found.reduce((sum, one) => sum.add(one));
        torch._ampUpdateScale_(
          this.#scale,
          this.#growthTracker,
          any,
          this.#growthFactor,
          this.#backoffFactor,
          this.#growthInterval,
        );
      }),
    );
    for (const one of found) one.dispose();
    this.#stages.clear();
  }

  /** The scale now; on an accelerator this waits for all work before it. */
  getScale(): number {
    return this.enabled ? this.#scale.item() : 1;
  }

  stateDict(): GradScalerState | Record<string, never> {
    if (!this.enabled) return {};
    return {
      scale: this.getScale(),
      growth_factor: this.#growthFactor,
      backoff_factor: this.#backoffFactor,
      growth_interval: this.#growthInterval,
      _growth_tracker: this.#growthTracker.item(),
    };
  }

  /** @throws ERR_STATE_DICT if it is no scaler's state. */
  loadStateDict(dict: Readonly<Record<string, unknown>> | ReadonlyMap<string, unknown>): void {
    if (!this.enabled) return;
    const number = (name: string): number => {
      const value = field(dict, name);
      if (typeof value !== 'number' || !Number.isFinite(value) || value < 0)
        throw expected('a finite number', name, value, 'ERR_STATE_DICT');
      return value;
    };
    const keys = ['scale', 'growth_factor', 'backoff_factor', 'growth_interval', '_growth_tracker'] as const;
    const [scale, growth, backoff, interval, tracker] = keys.map(number);
    this.#growthFactor = growth!;
    this.#backoffFactor = backoff!;
    this.#growthInterval = interval!;
    torch.noGrad(() => {
      this.#scale.fill_(scale!);
      this.#growthTracker.fill_(tracker!);
    });
  }

  dispose(): void {
    this.#scale.dispose();
    this.#growthTracker.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  #stage(optimizer: Optimizer): Stage {
    let stage = this.#stages.get(optimizer);
    if (stage === undefined) {
      stage = { unscaled: false, stepped: false, foundInf: undefined };
      this.#stages.set(optimizer, stage);
    }
    return stage;
  }

  /** 1 where a gradient is not finite, else 0; the gradients are multiplied by `factor`. */
  #check(optimizer: Optimizer, factor: Tensor): Tensor {
    return tidy(() => {
      const gradients = optimizer.paramGroups.flatMap(({ params }) =>
        params.flatMap((param) => {
          const gradient = param.grad;
          return gradient === null ? [] : [gradient];
        }),
      );
      if (gradients.length === 0)
        throw new IsotorchError('ERR_ARGUMENT', 'Expected gradients: call scaler.scale(loss).backward() before');
      const found = torch.zeros([], { dtype: 'float32', device: this.#device });
      for (const alike of groups(gradients)) torch._ampForeachNonFiniteCheckAndUnscale_(alike, found, factor);
      return found;
    });
  }
}

/** The operator takes tensors of one dtype and device. */
function groups(tensors: readonly Tensor[]): Tensor[][] {
  const byKind = new Map<string, Tensor[]>();
  for (const tensor of tensors) {
    const key = `${tensor.dtype} ${tensor.device}`;
    const group = byKind.get(key);
    if (group) group.push(tensor);
    else byKind.set(key, [tensor]);
  }
  return [...byKind.values()];
}
