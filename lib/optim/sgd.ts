// Stochastic gradient descent with momentum, as `torch.optim.SGD`, in one fused call for all parameters of a group that
// share a device and a dtype.
//
//   g ← ∇f(θ) (−∇f where maximize) + weightDecay·θ
//   b ← g in a parameter's first step, else momentum·b + (1 − dampening)·g
//   θ ← θ − lr·(g + momentum·b where nesterov, else b; g without momentum)

import { expected, IsotorchError } from '../errors.js';
import { capture, type Device, isFloating, Tensor, tidy, torch } from '../tensor/index.js';
import {
  type AmpOptions,
  amount,
  checkedParams,
  type Optimizer,
  type OptimizerState,
  type OptimizerStateSource,
  type ParamGroup,
} from './optimizer.js';
import { Rate } from './rate.js';
import { type LoadedGroup, packed, unpacked } from './sgdState.js';

export interface SGDOptions {
  /** Learning rate. @default 0.001 */
  lr?: number;
  /** @default 0 */
  momentum?: number;
  /** How little of a new gradient goes into the momentum. @default 0 */
  dampening?: number;
  /** L2 penalty on every parameter of the group. @default 0 */
  weightDecay?: number;
  /** Nesterov's momentum; needs a momentum and no dampening. @default false */
  nesterov?: boolean;
  /** Climbs instead of descending. @default false */
  maximize?: boolean;
}

/** Parameters with settings of their own; those left out are the optimizer's. */
export interface SGDGroupOptions extends SGDOptions {
  params: Iterable<Tensor> | Tensor;
}

/** The settings that take part in a step. */
export interface SGDSettings {
  momentum: number;
  dampening: number;
  weightDecay: number;
  nesterov: boolean;
  maximize: boolean;
}

class SGDParamGroup implements ParamGroup, SGDSettings {
  momentum: number;
  dampening: number;
  weightDecay: number;
  nesterov: boolean;
  maximize: boolean;
  initialLr?: number;
  readonly #rate: Rate;

  constructor(
    readonly params: readonly Tensor[],
    { lr = 1e-3, momentum = 0, dampening = 0, weightDecay = 0, nesterov = false, maximize = false }: SGDOptions,
  ) {
    this.#rate = new Rate(lr);
    this.momentum = amount(momentum, 'momentum');
    this.dampening = amount(dampening, 'dampening', Number.NEGATIVE_INFINITY);
    this.weightDecay = amount(weightDecay, 'weightDecay');
    for (const [name, value] of Object.entries({ nesterov, maximize }))
      if (typeof value !== 'boolean') throw expected('a boolean', name, value);
    this.nesterov = nesterov;
    this.maximize = maximize;
    if (nesterov && (momentum === 0 || dampening !== 0)) {
      throw new IsotorchError(
        'ERR_ARGUMENT',
        `Expected a momentum above 0 and dampening 0 for nesterov but received momentum ${momentum} and dampening ${dampening}`,
      );
    }
  }

  /** @internal Each setting that a captured step has built in. */
  readonly settings: readonly (() => unknown)[] = [
    () => this.momentum,
    () => this.dampening,
    () => this.weightDecay,
    () => this.nesterov,
    () => this.maximize,
  ];

  get lr(): number {
    return this.#rate.value;
  }

  set lr(value: number) {
    this.#rate.value = value;
  }

  /** @internal The rate as the fused kernels read it. */
  rateOn(device: Device): Tensor {
    return this.#rate.on(device);
  }
}

/** Tensors that one fused call moves. */
interface Batch {
  params: Tensor[];
  gradients: Tensor[];
  buffers: Tensor[];
  /** Whether the buffers are new and hold nothing yet. */
  isFirst: boolean;
  device: Device;
}

/**
 * @throws ERR_ARGUMENT for no parameters, one given twice, or settings out of range.
 * @example
 * const optimizer = new optim.SGD(model.parameters(), { lr: 0.1, momentum: 0.9, nesterov: true, weightDecay: 1e-4 });
 * @example new optim.SGD([{ params: body }, { params: head, lr: 0.01 }], { lr: 0.1 });
 */
export class SGD implements Optimizer {
  readonly #groups: SGDParamGroup[] = [];
  readonly #buffers = new Map<Tensor, Tensor>();
  readonly #countBuffers = () => this.#buffers.size;
  readonly #defaults: SGDOptions;

  constructor(params: Iterable<Tensor> | Iterable<SGDGroupOptions>, options: SGDOptions = {}) {
    this.#defaults = options;
    if (typeof params !== 'object' || params === null || params instanceof Tensor || !(Symbol.iterator in params))
      throw expected('Parameters, such as model.parameters(), or groups of them', 'params', params);
    const list: (Tensor | SGDGroupOptions)[] = [...params];
    const isGroup = (item: unknown): item is SGDGroupOptions =>
      typeof item === 'object' && item !== null && !(item instanceof Tensor) && 'params' in item;
    if (list.length > 0 && list.every(isGroup)) for (const group of list) this.addParamGroup(group);
    else this.addParamGroup({ params: list as Tensor[] });
  }

  get paramGroups(): readonly (ParamGroup & SGDSettings)[] {
    return this.#groups;
  }

  /** Adds parameters, with settings of their own where given. */
  addParamGroup({ params, ...settings }: SGDGroupOptions): void {
    const taken = new Set(this.#groups.flatMap((group) => group.params));
    this.#groups.push(new SGDParamGroup(checkedParams(params, taken), { ...this.#defaults, ...settings }));
  }

  /**
   * Moves each parameter that has a gradient; the others keep value and momentum. What `backward` recorded is not touched.
   */
  step(amp: AmpOptions = {}): void {
    torch.noGrad(() => {
      for (const group of this.#groups) tidy(() => this.#stepGroup(group, amp));
    });
  }

  #stepGroup(group: SGDParamGroup, amp: AmpOptions): void {
    // A captured step has these built in; and the first one, which starts the momentum, is none for those after it.
    for (const read of group.settings) capture.dependsOn(read);
    capture.dependsOn(this.#countBuffers);
    const batches = new Map<string, Batch>();
    const fresh: [Tensor, Tensor][] = [];
    for (const param of group.params) {
      const gradient = param.grad;
      if (gradient === null) continue;
      let buffer: Tensor | undefined;
      let isFirst = false;
      if (group.momentum !== 0) {
        buffer = this.#buffers.get(param);
        isFirst = buffer === undefined;
        if (buffer === undefined) {
          // Zeros, not just any: a first step that foundInf leaves out fills no buffer.
          buffer = capture.outside(() => torch.zerosLike(param.detach()).keep());
          fresh.push([param, buffer]);
        } else if (buffer.dtype !== param.dtype || buffer.device !== param.device) {
          buffer.replace_(buffer.to({ dtype: param.dtype, device: param.device })); // the model was moved
        }
      }
      if (!fitsFused(param, gradient, buffer)) {
        plainStep(param, gradient, buffer, isFirst, group, amp);
        continue;
      }
      const { dtype, device } = param;
      const key = `${dtype} ${device} ${isFirst}`;
      let batch = batches.get(key);
      if (batch === undefined) {
        batch = { params: [], gradients: [], buffers: [], isFirst, device };
        batches.set(key, batch);
      }
      batch.params.push(param);
      batch.gradients.push(gradient);
      if (buffer) batch.buffers.push(buffer);
    }
    for (const { params, gradients, buffers, isFirst, device } of batches.values()) {
      const { weightDecay, momentum, dampening, nesterov, maximize } = group;
      const lr = group.rateOn(device);
      const settings = { weightDecay, momentum, lr, dampening, nesterov, maximize, isFirstStep: isFirst };
      torch._fusedSgd_(params, gradients, buffers, { ...settings, ...amp });
    }
    for (const [param, buffer] of fresh) this.#buffers.set(param, buffer);
  }

  zeroGrad({ setToNone = true }: { setToNone?: boolean } = {}): void {
    if (setToNone) {
      for (const { params } of this.#groups) for (const param of params) param.grad = null;
      return;
    }
    tidy(() => {
      for (const { params } of this.#groups) for (const param of params) param.grad?.detach().zero_();
    });
  }

  /**
   * The state in PyTorch's layout: `torch.optim.SGD.load_state_dict` takes it. Momentum buffers share the optimizer's
   * memory; the tensors belong to whoever called, in a `tidy` scope they end with it.
   */
  stateDict(): OptimizerState {
    return packed(this.#groups, this.#buffers);
  }

  /**
   * Takes over momentum and settings, also from PyTorch's `torch.optim.SGD`.
   * @throws ERR_STATE_DICT if groups, numbers or shapes are others; then nothing was changed.
   */
  loadStateDict(dict: OptimizerStateSource): void {
    const { groups, buffers } = unpacked(dict, this.#groups);
    for (const buffer of this.#buffers.values()) buffer.dispose();
    this.#buffers.clear();
    for (const [param, buffer] of buffers) this.#buffers.set(param, buffer);
    for (const [i, loaded] of groups.entries()) Object.assign(this.#groups[i] as LoadedGroup, loaded);
  }
}

/**
 * Whether the fused kernels may have these: they walk through memory element by element and look at neither strides nor
 * shapes (LibTorch 2.13, native/cpu/FusedSGDKernel.cpp), so all must be laid out alike and without gaps.
 */
function fitsFused(param: Tensor, gradient: Tensor, buffer: Tensor | undefined): boolean {
  const shape = param.shape;
  const strides = param.stride();
  if (!isFloating(param.dtype) || !isDense(shape, strides)) return false;
  const alike = (other: Tensor) => {
    const theirs = other.stride();
    const same = (_: number, i: number) => shape[i] === 1 || strides[i] === theirs[i];
    return theirs.length === strides.length && shape.every(same) && String(other.shape) === String(shape);
  };
  return alike(gradient) && (buffer === undefined || alike(buffer));
}

/** Whether each place in memory from the first to the last is exactly one element. */
function isDense(shape: readonly number[], strides: readonly number[]): boolean {
  let expectedStride = 1;
  const dimensions = shape.map((size, i) => ({ size, stride: strides[i] as number })).filter(({ size }) => size !== 1);
  for (const { size, stride } of dimensions.sort((a, b) => a.stride - b.stride)) {
    if (stride !== expectedStride) return false;
    expectedStride *= size;
  }
  return true;
}

/** The formula at the top, operator by operator, for what the fused kernels don't take: views with gaps, complex numbers. */
function plainStep(
  param: Tensor,
  gradient: Tensor,
  buffer: Tensor | undefined,
  isFirst: boolean,
  group: SGDParamGroup,
  { foundInf, gradScale }: AmpOptions,
): void {
  const { momentum, dampening, weightDecay, nesterov, maximize } = group;
  const before = foundInf ? [param.clone(), buffer?.clone()] : [];
  let g = gradScale ? gradient.div_(gradScale) : gradient;
  if (maximize) g = g.neg();
  if (weightDecay !== 0) g = g.add(param, { alpha: weightDecay });
  if (buffer) {
    if (isFirst) buffer.copy_(g);
    else buffer.mul_(momentum).add_(g, { alpha: 1 - dampening });
    g = nesterov ? g.add(buffer, { alpha: momentum }) : buffer;
  }
  param.sub_(g.mul(group.rateOn(param.device)));
  if (!foundInf) return;
  const [oldParam, oldBuffer] = before;
  param.copy_(torch.where(foundInf.ne(0), oldParam!, param));
  if (buffer) buffer.copy_(torch.where(foundInf.ne(0), oldBuffer!, buffer));
}
