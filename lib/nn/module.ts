// What every layer, head, criterion and model is: a module with parameters, buffers and modules inside it. Fields that
// hold them are found by themselves, in the order of their declaration; there is nothing to register. What a module does
// with state dicts is in stateDict.ts, how it prints in print.ts, how errors find their way in trace.ts.

import { inspect } from 'node:util';
import { expected, IsotorchError } from '../errors.js';
import {
  Buffer,
  capture,
  type Device,
  type DType,
  type HookHandle,
  Parameter,
  type Tensor,
  tidy,
} from '../tensor/index.js';
import { flag } from './arguments.js';
import type { FullBackwardHook } from './backwardHooks.js';
import { type Convert, convert } from './convert.js';
import { type ForwardHook, type ForwardPreHook, type HookOptions, Hooks } from './hooks.js';
import { type Part, Parts } from './parts.js';
import { block } from './print.js';
import {
  type ForeignKeys,
  type LoadOptions,
  type LoadResult,
  loadInto,
  type StateDict,
  type StateSource,
  stateOf,
} from './stateDict.js';
import { traceForward } from './trace.js';

let hooksOf: (module: AnyModule) => Hooks | undefined;

/** Any module, whatever its forward takes and gives. */
export type AnyModule = Module<unknown, never[]>;

/**
 * Base of all modules (`torch.nn.Module`). A class of your own has fields and a `forward`:
 *
 * ```ts
 * class Net extends nn.Module {
 *   body = new nn.Sequential(new nn.Conv2d(1, 32, 3), new nn.ReLU(), new nn.AdaptiveAvgPool2d(1), new nn.Flatten());
 *   classifier = new losses.IsoMaxHead(32, 10);
 *   forward(x: Tensor) { return this.classifier.forward(this.body.forward(x)); }
 * }
 * ```
 *
 * Public fields that hold a module, an `nn.Parameter` or an `nn.Buffer` belong to it; keys of the state dict are their
 * names in snake_case. Fields of other values, `null`, and `#private` fields do not. For several modules in one field use
 * `nn.ModuleList`.
 *
 * `Output` and `Inputs` are the types of `forward`, by default one tensor from tensors.
 */
export abstract class Module<Output = Tensor, Inputs extends unknown[] = Tensor[]> {
  #training = true;
  readonly #readTraining = () => this.#training;
  readonly #parts = new Parts(this, (value): value is AnyModule => value instanceof Module);
  readonly #hooks = new Hooks();
  readonly #readHooks = () => this.#hooks.entries;

  constructor() {
    traceForward(new.target, Module.prototype, hooksOf);
  }

  static {
    hooksOf = (module) => {
      capture.dependsOn(module.#readHooks);
      return module.#hooks.entries && module.#hooks;
    };
  }

  /** Whether it behaves as in training (dropout drops, batch norm learns its statistics). Set by `train` and `eval`. */
  get training(): boolean {
    capture.dependsOn(this.#readTraining); // a step recorded in one mode is none for the other
    return this.#training;
  }

  set training(mode: boolean) {
    this.#training = flag(mode, 'training');
  }

  /** What the module computes. */
  abstract forward(...inputs: Inputs): Output;

  // ---- what is inside

  /** Registers a module under a literal name, for names that no field could have. Returns the module. */
  registerModule<M extends AnyModule>(name: string, module: M): M {
    if (!(module instanceof Module)) throw expected('a Module', name, module);
    return this.#parts.register(name, module);
  }

  /** Registers a parameter under a literal name. Returns the parameter. */
  registerParameter(name: string, parameter: Parameter): Parameter {
    if (!(parameter instanceof Parameter)) throw expected('a Parameter', name, parameter);
    return this.#parts.register(name, parameter);
  }

  /** Registers a buffer under a literal name. Returns the buffer. */
  registerBuffer(name: string, buffer: Buffer): Buffer {
    if (!(buffer instanceof Buffer)) throw expected('a Buffer', name, buffer);
    return this.#parts.register(name, buffer);
  }

  /** `registerModule`, under PyTorch's other name. */
  addModule<M extends AnyModule>(name: string, module: M): M {
    return this.registerModule(name, module);
  }

  /** Takes back what was registered under a literal name. */
  unregister(name: string): void {
    this.#parts.unregister(name);
  }

  #ofKind<T extends Part>(kind: abstract new (...args: never[]) => T): Map<string, T> {
    return new Map(this.#parts.all().filter((entry): entry is [string, T] => entry[1] instanceof kind));
  }

  /** The parameters of this module itself, without those of modules inside. */
  ownParameters(): Map<string, Parameter> {
    return this.#ofKind(Parameter);
  }

  /** The buffers of this module itself. */
  ownBuffers(): Map<string, Buffer> {
    return this.#ofKind(Buffer);
  }

  /** The modules directly inside, by name. One that is there under two names is there twice. */
  namedChildren(): Map<string, AnyModule> {
    return this.#ofKind<AnyModule>(Module);
  }

  /** The modules directly inside, each once. */
  children(): AnyModule[] {
    return [...new Set(this.namedChildren().values())];
  }

  /** This module (named '') and all inside it, from the outside in, each once, by path: `body.0`. */
  namedModules(): Map<string, AnyModule> {
    const found = new Map<string, AnyModule>();
    const seen = new Set<AnyModule>();
    const visit = (path: string, module: AnyModule): void => {
      if (seen.has(module)) return;
      seen.add(module);
      found.set(path, module);
      for (const [name, child] of module.namedChildren()) visit(path === '' ? name : `${path}.${name}`, child);
    };
    visit('', this);
    return found;
  }

  modules(): AnyModule[] {
    return [...this.namedModules().values()];
  }

  #named<T extends Tensor>(own: (module: AnyModule) => Map<string, T>): Map<string, T> {
    const found = new Map<string, T>();
    const seen = new Set<T>();
    for (const [path, module] of this.namedModules()) {
      for (const [name, tensor] of own(module)) {
        if (seen.has(tensor)) continue;
        seen.add(tensor);
        found.set(path === '' ? name : `${path}.${name}`, tensor);
      }
    }
    return found;
  }

  /** All parameters by path, in the order of the state dict; one that modules share appears once, as in PyTorch. */
  namedParameters(): Map<string, Parameter> {
    return this.#named((module) => module.ownParameters());
  }

  /** What an optimizer takes. */
  parameters(): Parameter[] {
    return [...this.namedParameters().values()];
  }

  namedBuffers(): Map<string, Buffer> {
    return this.#named((module) => module.ownBuffers());
  }

  buffers(): Buffer[] {
    return [...this.namedBuffers().values()];
  }

  /** The module at a path such as `body.0`; '' is this one. @throws ERR_ARGUMENT where there is none. */
  getSubmodule(path: string): AnyModule {
    let module: AnyModule = this;
    for (const name of path === '' ? [] : path.split('.'))
      module = module.namedChildren().get(name) ?? this.#nothingAt(path, 'module');
    return module;
  }

  /** The parameter at a path such as `body.0.weight`. @throws ERR_ARGUMENT where there is none. */
  getParameter(path: string): Parameter {
    const [owner, name] = splitPath(path);
    return this.getSubmodule(owner).ownParameters().get(name) ?? this.#nothingAt(path, 'parameter');
  }

  /** The buffer at a path such as `body.1.running_mean`. @throws ERR_ARGUMENT where there is none. */
  getBuffer(path: string): Buffer {
    const [owner, name] = splitPath(path);
    return this.getSubmodule(owner).ownBuffers().get(name) ?? this.#nothingAt(path, 'buffer');
  }

  #nothingAt(path: string, kind: string): never {
    throw new IsotorchError('ERR_ARGUMENT', `${this.constructor.name} has no ${kind} at ${JSON.stringify(path)}`);
  }

  /** Calls `fn` with every module inside, innermost first, and last with this one. Returns this module. */
  apply(fn: (module: AnyModule) => void): this {
    if (typeof fn !== 'function') throw expected('a function', 'fn', fn);
    for (const child of this.children()) child.apply(fn);
    fn(this);
    return this;
  }

  // ---- modes and places

  /** Training mode for this module and all inside (`false`: evaluation mode). Returns this module. */
  train(mode = true): this {
    flag(mode, 'mode');
    for (const module of this.modules()) module.training = mode;
    return this;
  }

  /** Evaluation mode. */
  eval(): this {
    return this.train(false);
  }

  /** Whether gradients are computed for the parameters; `false` freezes them. Returns this module. */
  requiresGrad_(value = true): this {
    flag(value, 'value');
    for (const parameter of this.parameters()) parameter.requiresGrad = value;
    return this;
  }

  /** Forgets all gradients; with `setToNone: false` fills them with zeros instead. */
  zeroGrad({ setToNone = true }: { setToNone?: boolean } = {}): void {
    for (const parameter of this.parameters()) {
      if (setToNone) parameter.grad = null;
      else
        tidy(() => {
          parameter.grad?.detach().zero_();
        });
    }
  }

  /**
   * Moves all parameters and buffers, with their gradients, in place: optimizers keep working. A dtype applies to those
   * that hold floating-point numbers, a memory format to those with four dimensions. Returns this module.
   * @throws ERR_DTYPE for a dtype without fractions.
   * @example model.to('cuda'); model.to('float64'); model.to({ device: 'cuda', memoryFormat: 'channels_last' });
   */
  to(target: DType | Device | Convert): this {
    convert([...this.parameters(), ...this.buffers()], target);
    for (const module of this.modules()) module.moved();
    return this;
  }

  /** `to('float32')`. */
  float(): this {
    return this.to('float32');
  }

  /** `to('float64')`. */
  double(): this {
    return this.to('float64');
  }

  /** `to('float16')`. */
  half(): this {
    return this.to('float16');
  }

  /** Called on each module after `to` has moved its tensors, for layers that care how those lie in memory. */
  protected moved(): void {}

  // ---- hooks

  /**
   * Calls `hook(module, inputs)` before each forward; an array that it gives takes the inputs' place.
   * @example const handle = layer.registerForwardPreHook((_, [x]) => [x.mul(2)]); …; handle.remove();
   */
  registerForwardPreHook(hook: ForwardPreHook<this>, options: HookOptions = {}): HookHandle {
    return this.#hooks.add('before', hook, options);
  }

  /** Calls `hook(module, inputs, output)` after each forward; what it gives, if anything, takes the output's place. */
  registerForwardHook(hook: ForwardHook<this, Output>, options: HookOptions = {}): HookHandle {
    return this.#hooks.add('after', hook, options);
  }

  /** Frees all parameters and buffers now. The module can't be used afterwards. */
  dispose(): void {
    for (const tensor of [...this.parameters(), ...this.buffers()]) tensor.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  /**
   * Calls `hook(module, gradInputs, gradOutputs)` when backward() has come through the module; an array that it gives takes
   * the place of the inputs' gradients. Captured steps refuse it: use `tensor.registerHook` there.
   */
  registerFullBackwardHook(hook: FullBackwardHook<this>, options: HookOptions = {}): HookHandle {
    return this.#hooks.add('backward', hook, options);
  }

  // ---- state

  /**
   * All parameters and persistent buffers by path, under PyTorch's keys and in its order. The tensors are detached and
   * share the module's memory: training goes on in them. They belong to whoever called: in a `tidy` scope they end with it.
   */
  stateDict(): StateDict {
    return stateOf(this);
  }

  /**
   * Copies the values of `dict` into this module's parameters and buffers, converting dtype and device.
   * @throws ERR_STATE_DICT that lists all missing, unexpected and unfit keys. Then nothing was changed.
   * @returns the keys that `strict: false` let pass.
   * @example resnet.loadStateDict(state_dict, { prefix: 'module.' });
   */
  loadStateDict(dict: StateSource, options: LoadOptions = {}): LoadResult {
    return loadInto(this, dict, options);
  }

  /** The version of this class's state, which PyTorch writes into files beside the tensors. */
  get stateVersion(): number {
    return 1;
  }

  /** Keys of this module's own under which older files hold its state: old name → present name. */
  get legacyKeys(): Readonly<Record<string, string>> {
    return {};
  }

  /** Keys of this module's own that other implementations write and that are no tensors here, and what becomes of them. */
  get foreignKeys(): ForeignKeys {
    return {};
  }

  /** Whether a state dict whose state of this class has that version (unknown: undefined) is whole without the key. */
  mayLack(_key: string, _version: number | undefined): boolean {
    return false;
  }

  /** Called before a state dict is compared with this module, for layers whose sizes it decides. `own`: its tensors, by key. */
  prepareForState(_own: (key: string) => Tensor | undefined): void {}

  /** A line of advice for a state dict that does not fit; undefined where there is none. @param at what the dict has for a key */
  stateAdvice(_at: (key: string) => unknown): string | undefined {
    return undefined;
  }

  // ---- print

  /** The settings that `toString` shows in parentheses. */
  extraRepr(): string {
    return '';
  }

  /** The module in a few words, for error messages: `Linear 64 → 10`. */
  brief(): string {
    return this.constructor.name;
  }

  /** PyTorch's indented print. */
  toString(): string {
    const children = [...this.namedChildren()].map(([name, module]) => [name, module.toString()] as const);
    return block(this.constructor.name, this.extraRepr(), children);
  }

  [inspect.custom](): string {
    return this.toString();
  }
}

/** `['body.0', 'weight']` of `body.0.weight`. */
function splitPath(path: string): [owner: string, name: string] {
  const dot = path.lastIndexOf('.');
  return [path.slice(0, Math.max(dot, 0)), path.slice(dot + 1)];
}
