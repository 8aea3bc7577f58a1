// A model's weights averaged over the steps, as `torch.optim.swa_utils.AveragedModel`. TypeScript can't copy a module, so the
// averages are tensors of their own, under the same names, and the model computes with them for the length of a call. Where a
// captured step calls `updateParameters`, averaging is part of the record.

import { expected, IsotorchError } from '../../errors.js';
import { type AnyModule, Module } from '../../nn/index.js';
import { Buffer, capture, type Device, Parameter, type Tensor, tidy, torch } from '../../tensor/index.js';
import { type AvgFn, getSwaMultiAvgFn, type MultiAvgFn } from './averageFns.js';

export interface AveragedModelOptions {
  /** Where the averages live. @default where the model is */
  device?: Device;
  /** How one tensor is averaged. */
  avgFn?: AvgFn;
  /** How many are, in one call. @default `getSwaMultiAvgFn()`: all steps count alike */
  multiAvgFn?: MultiAvgFn;
  /** Whether buffers are averaged too; else they are the model's last. @default false */
  useBuffers?: boolean;
}

/** The tensors of a module under the same names, without what it computes. */
class Averages extends Module<never, never[]> {
  readonly #original: AnyModule;

  constructor(original: AnyModule, seen = new Map<AnyModule, Averages>(), copies = new Map<Tensor, Tensor>()) {
    super();
    this.#original = original;
    seen.set(original, this);
    const copy = <T extends Tensor>(tensor: Tensor, make: (data: Tensor) => T): T => {
      if (!copies.has(tensor)) copies.set(tensor, make(tensor.detach().clone()));
      return copies.get(tensor) as T;
    };
    for (const [name, param] of original.ownParameters())
      this.registerParameter(
        name,
        copy(param, (data) => new Parameter(data, param.requiresGrad)),
      );
    for (const [name, buffer] of original.ownBuffers())
      this.registerBuffer(
        name,
        copy(buffer, (data) => new Buffer(data, buffer.persistent)),
      );
    for (const [name, child] of original.namedChildren())
      this.registerModule(name, seen.get(child) ?? new Averages(child, seen, copies));
  }

  override forward(): never {
    throw new IsotorchError('ERR_ARGUMENT', 'Averages compute nothing alone: call forward() of the AveragedModel');
  }

  override get stateVersion(): number {
    return this.#original.stateVersion;
  }

  override mayLack(key: string, version: number | undefined): boolean {
    return this.#original.mayLack(key, version);
  }
}

/**
 * `torch.optim.swa_utils.AveragedModel`. State, as PyTorch's: `n_averaged`, and the averages under `module.` and the model's keys.
 *
 * The average begins with the first `updateParameters`, which copies. `forward` is the model's, in this module's mode.
 * @throws ERR_ARGUMENT for what is no module, or both ways to average
 * @example
 * const averaged = new optim.swaUtils.AveragedModel(model, { multiAvgFn: optim.swaUtils.getEmaMultiAvgFn(0.999) });
 * optimizer.step();
 * averaged.updateParameters(model); // after each step, or after each epoch
 */
export class AveragedModel<Output, Inputs extends unknown[]> extends Module<Output, Inputs> {
  nAveraged: Buffer;
  readonly #model: Module<Output, Inputs>;
  readonly #averages: Averages;
  readonly #average: MultiAvgFn;
  readonly #useBuffers: boolean;
  /** Whether there is an average; known to captured steps, since the first update is a copy. */
  #hasBegun = false;
  readonly #readBegun = () => this.#hasBegun;

  constructor(model: Module<Output, Inputs>, options: AveragedModelOptions = {}) {
    super();
    const { device, avgFn, multiAvgFn, useBuffers = false } = options;
    if (!(model instanceof Module)) throw expected('a Module', 'model', model);
    for (const [name, fn] of Object.entries({ avgFn, multiAvgFn }))
      if (fn !== undefined && typeof fn !== 'function') throw expected('a function', name, fn);
    if (avgFn && multiAvgFn)
      throw new IsotorchError('ERR_ARGUMENT', 'Expected one of avgFn and multiAvgFn but received both');
    const place = device ?? model.parameters()[0]?.device ?? 'cpu';
    this.nAveraged = new Buffer(torch.zeros([], { dtype: 'int64', device: place }));
    this.#model = model;
    this.#averages = this.registerModule('module', new Averages(model as unknown as AnyModule));
    if (device !== undefined) this.#averages.to(device);
    this.#average = avgFn ? oneByOne(avgFn) : (multiAvgFn ?? getSwaMultiAvgFn());
    this.#useBuffers = useBuffers;
  }

  /** The model that is averaged. */
  get model(): Module<Output, Inputs> {
    return this.#model;
  }

  override forward(...inputs: Inputs): Output {
    const { training } = this.#model;
    if (training === this.training) return this.during(() => this.#model.forward(...inputs));
    this.#model.train(this.training);
    try {
      return this.during(() => this.#model.forward(...inputs));
    } finally {
      this.#model.train(training);
    }
  }

  /** Runs `fn` while the model itself has the averaged weights and buffers. */
  during<T>(fn: () => T): T {
    const pairs = [
      ...paired(this.#averages.parameters(), this.#model.parameters()),
      ...paired(this.#averages.buffers(), this.#model.buffers()),
    ];
    const swap = () => {
      for (const [average, own] of pairs) [average.handle, own.handle] = [own.handle, average.handle];
    };
    swap();
    try {
      return fn();
    } finally {
      swap();
    }
  }

  /**
   * Takes the model's present weights into the average.
   * @param model of the same build; the one that this was made of, usually
   * @throws ERR_ARGUMENT for a model of other parameters
   */
  updateParameters(model: AnyModule | Module<Output, Inputs> = this.#model): void {
    capture.dependsOn(this.#readBegun);
    torch.noGrad(() => tidy(() => this.#update(model)));
    this.#hasBegun = true;
  }

  #update(model: AnyModule | Module<Output, Inputs>): void {
    const params = paired(this.#averages.parameters(), model.parameters());
    const buffers = paired(this.#averages.buffers(), model.buffers());
    const averaged = this.#useBuffers ? [...params, ...buffers] : params;
    if (!this.#hasBegun) for (const [average, own] of averaged) average.detach().copy_(own);
    else
      for (const alike of grouped(averaged)) {
        const averages = alike.map(([average]) => average.detach());
        const own = alike.map(([average, tensor]) => tensor.detach().to(average.device));
        this.#average(averages, own, this.nAveraged.to(averages[0]!.device));
      }
    if (!this.#useBuffers) for (const [average, own] of buffers) average.detach().copy_(own);
    this.nAveraged.add_(1);
  }

  override loadStateDict(...given: Parameters<Module['loadStateDict']>): ReturnType<Module['loadStateDict']> {
    const result = super.loadStateDict(...given);
    this.#hasBegun = this.nAveraged.item() > 0;
    return result;
  }
}

const oneByOne =
  (avgFn: AvgFn): MultiAvgFn =>
  (averaged, current, numAveraged) => {
    for (const [i, average] of averaged.entries()) average.copy_(avgFn(average, current[i]!, numAveraged));
  };

function paired(averages: readonly Tensor[], own: readonly Tensor[]): [Tensor, Tensor][] {
  if (averages.length !== own.length)
    throw new IsotorchError(
      'ERR_ARGUMENT',
      `Expected a model with ${averages.length} tensors, as the averaged one has, but it has ${own.length}`,
    );
  return averages.map((average, i) => [average, own[i]!]);
}

/** By device and dtype. */
function grouped(pairs: readonly [Tensor, Tensor][]): [Tensor, Tensor][][] {
  const groups = new Map<string, [Tensor, Tensor][]>();
  for (const pair of pairs) {
    const key = `${pair[0].device} ${pair[0].dtype}`;
    groups.set(key, [...(groups.get(key) ?? []), pair]);
  }
  return [...groups.values()];
}
