// What all optimizers share: parameter groups, the tensors kept for each parameter, batches that one call moves, loss scaling,
// and a state that PyTorch's optimizers read and write too. An optimizer itself is a row of settings (lib/known/optimizers.ts),
// what it keeps for a parameter, and its update rule.

import { expected } from '../errors.js';
import type { OptimizerRow } from '../known/optimizers.js';
import { capture, Tensor, tidy, torch } from '../tensor/index.js';
import { asReal, type Batch, fitsFused } from './batch.js';
import { checkedParams, type MaybeNamed, ParamGroup } from './paramGroup.js';
import { type Kept, ParamState } from './state.js';
import { type OptimizerState, type OptimizerStateSource, packed, type SavedState, unpacked } from './stateDict.js';

/** What a GradScaler tells an optimizer; both are scalars on the gradients' device. */
export interface AmpOptions {
  /** Not 0: a gradient was infinite or NaN, and nothing moves. */
  foundInf?: Tensor;
  /** The gradients are this many times too large. */
  gradScale?: Tensor;
}

/** Parameters with settings of their own; those left out are the optimizer's. */
export type GroupOptions<S> = Partial<S> & { params: Iterable<MaybeNamed> | Tensor };

/** Parameters, such as `model.parameters()` or `model.namedParameters()`, or groups of them. */
export type Params<S> = Iterable<MaybeNamed> | Iterable<GroupOptions<S>>;

/** The settings that every optimizer has. */
export interface CommonSettings {
  lr: number;
}

type AnyRow = OptimizerRow<Record<string, unknown>>;

export abstract class Optimizer<S extends CommonSettings = CommonSettings> {
  /** @internal */
  protected readonly row: AnyRow;
  readonly #groups: (ParamGroup & S)[] = [];
  readonly #states = new Map<Tensor, ParamState>();
  readonly #countStates = () => this.#states.size;
  readonly #defaults: Partial<S>;

  /** What is kept for each parameter, under PyTorch's names in camelCase. */
  protected abstract readonly kept: Readonly<Record<string, Kept<S>>>;
  /** Whether a fused kernel can do the update. */
  protected readonly hasFused: boolean = false;
  /** Whether the update takes sparse gradients. */
  protected readonly takesSparse: boolean = false;

  /**
   * The update rule, for parameters that have a gradient. Complex numbers come as pairs of real ones; unless the batch is
   * fused, loss scaling has been dealt with and `amp` is empty.
   */
  protected abstract update(batch: Batch, group: ParamGroup & S, amp: AmpOptions): void;

  /** @throws ERR_ARGUMENT for no parameters, one given twice, or settings that there are not or out of range */
  constructor(row: OptimizerRow<S>, params: Params<S>, options: Partial<S> = {}) {
    this.row = row as unknown as AnyRow;
    if (typeof options !== 'object' || options === null)
      throw expected('an object, such as { lr: 0.1 }', 'options', options);
    this.#defaults = options;
    if (typeof params !== 'object' || params === null || params instanceof Tensor || !(Symbol.iterator in params))
      throw expected('Parameters, such as model.parameters(), or groups of them', 'params', params);
    const list = [...params] as (MaybeNamed | GroupOptions<S>)[];
    const isGroup = (item: unknown): item is GroupOptions<S> =>
      typeof item === 'object' && item !== null && !(item instanceof Tensor) && 'params' in item;
    if (list.length > 0 && list.every(isGroup)) for (const group of list) this.addParamGroup(group);
    else this.addParamGroup({ params: list as MaybeNamed[] } as unknown as GroupOptions<S>);
  }

  get paramGroups(): readonly (ParamGroup & S)[] {
    return this.#groups;
  }

  /** The settings that a group has where it has none of its own. */
  get defaults(): Readonly<Partial<S>> {
    return this.#defaults;
  }

  /** Adds parameters, with settings of their own where given. */
  addParamGroup({ params, ...settings }: GroupOptions<S>): void {
    const taken = new Set(this.#groups.flatMap((group) => group.params));
    const checked = checkedParams(params, taken);
    const [first] = this.#groups;
    if (first !== undefined && (first.paramNames === undefined) !== (checked.names === undefined))
      throw expected('all groups with names or all without', 'params', params);
    const group = new ParamGroup(this.row, checked, { ...this.#defaults, ...settings }) as ParamGroup & S;
    this.check(group);
    this.#groups.push(group);
  }

  /** Refuses settings that don't go together. */
  protected check(_group: ParamGroup & S): void {}

  /**
   * Moves each parameter that has a gradient; the others keep value and state. What `backward` recorded is not touched.
   * @param closure computes the loss and its gradients anew; its result is given back
   */
  step(amp?: AmpOptions): void;
  step<T>(closure: () => T): T;
  step<T>(given: AmpOptions | (() => T) = {}): T | undefined {
    const isClosure = typeof given === 'function';
    const loss = isClosure ? torch.enableGrad(given) : undefined;
    torch.noGrad(() => {
      for (const group of this.#groups) tidy(() => this.#stepGroup(group, isClosure ? {} : given));
    });
    return loss;
  }

  #stepGroup(group: ParamGroup & S, amp: AmpOptions): void {
    // A captured step has these built in; and the first one, which makes the state, is none for those after it.
    group.tellCapture();
    capture.dependsOn(this.#countStates);
    const made = new Map<Tensor, ParamState>();
    for (const batch of this.#batches(group, made)) {
      if (batch.isFused) this.update(batch, group, amp);
      else scaled(asReal(batch), amp, (real) => this.update(real, group, {}));
    }
    for (const [param, state] of made) this.#states.set(param, state);
  }

  /** The group's parameters that have a gradient. State that is missing goes into `made`. */
  #batches(group: ParamGroup & S, made: Map<Tensor, ParamState>): Iterable<Batch> {
    const { foreach, fused } = group as { foreach?: boolean | null; fused?: boolean | null };
    const mayFuse = this.hasFused && fused !== false && foreach !== true && !group.isCycled;
    const batches = new Map<string, Batch>();
    const keys = Object.keys(this.kept);
    for (const param of group.params) {
      let gradient = param.grad;
      if (gradient === null) continue;
      if (gradient._isZerotensor()) gradient = gradient.clone(); // zeros without memory, which kernels would read
      const isSparse = gradient.layout !== 'strided';
      if (isSparse && !this.takesSparse)
        throw expected('gradients that are not sparse (SGD, Adagrad and SparseAdam take them)', 'grad', gradient);
      const strides = param.stride();
      const state = this.#states.get(param) ?? new ParamState(param, strides);
      state.follow(this.kept, param, strides);
      const isFirst = state.complete(this.kept, param, group);
      if (isFirst) made.set(param, state);
      const isFused = mayFuse && !isSparse && fitsFused(param, strides, gradient);
      const { dtype, device } = param;
      const key = `${dtype} ${device} ${isFirst} ${isFused} ${isSparse}`;
      let batch = batches.get(key);
      if (batch === undefined) {
        const lists = Object.fromEntries(keys.map((name): [string, Tensor[]] => [name, []]));
        batch = { params: [], gradients: [], state: lists, isFirst, isFused, isSparse, device };
        batches.set(key, batch);
      }
      batch.params.push(param);
      batch.gradients.push(gradient);
      for (const name of keys) {
        const tensor = state.tensors[name];
        if (tensor !== undefined) batch.state[name]!.push(tensor);
      }
    }
    return batches.values();
  }

  /** Forgets the gradients; with `setToNone: false` fills them with zeros instead. */
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
   * The state in PyTorch's layout: `load_state_dict` of the optimizer of that name takes it. Its tensors share the optimizer's
   * memory; they belong to whoever called, in a `tidy` scope they end with it.
   */
  stateDict(): OptimizerState {
    return packed(this.row, this.#groups, (param) => this.packState(param));
  }

  /**
   * Takes over state and settings, also from PyTorch's optimizer of that name.
   * @throws ERR_STATE_DICT if it is another optimizer's, or groups, numbers or shapes are others; then nothing was changed
   */
  loadStateDict(dict: OptimizerStateSource): void {
    const loaded = unpacked(dict, this.row, this.#groups);
    const adopt = this.unpackState(loaded.states, loaded.groups as (ParamGroup & S)[]);
    adopt();
    for (const [i, settings] of loaded.settings.entries()) Object.assign(this.#groups[i]!, settings);
  }

  /** One parameter's state under PyTorch's names; undefined if there is none yet. */
  protected packState(param: Tensor): Record<string, unknown> | undefined {
    return this.#states.get(param)?.packed(this.kept);
  }

  /**
   * Checks and copies state from a file.
   * @param groups with the settings that come with it
   * @returns what puts it in the place of the present state
   */
  protected unpackState(states: ReadonlyMap<Tensor, SavedState>, groups: readonly (ParamGroup & S)[]): () => void {
    const made = new Map<Tensor, ParamState>();
    try {
      torch.noGrad(() => {
        for (const group of groups)
          for (const param of group.params) {
            const saved = states.get(param);
            if (saved === undefined) continue;
            const state = new ParamState(param, param.stride());
            made.set(param, state);
            state.load(this.kept, param, group, saved);
          }
      });
    } catch (error) {
      for (const state of made.values()) state.dispose();
      throw error;
    }
    return () => {
      for (const state of this.#states.values()) state.dispose();
      this.#states.clear();
      for (const [param, state] of made) if (!state.isEmpty) this.#states.set(param, state);
    };
  }
}

/** The update with gradients divided by the scale, and undone where a gradient was infinite: as the fused kernels do both. */
function scaled(batch: Batch, { foundInf, gradScale }: AmpOptions, update: (batch: Batch) => void): void {
  if (gradScale) for (const gradient of batch.gradients) gradient.div_(gradScale);
  if (!foundInf) {
    update(batch);
    return;
  }
  const moved = [...batch.params, ...Object.values(batch.state).flat()];
  const before = moved.map((tensor) => tensor.clone());
  update(batch);
  const isBad = foundInf.ne(0);
  for (const [i, tensor] of moved.entries()) tensor.copy_(torch.where(isBad, before[i]!, tensor));
}
