// TorchScript as a module like any other: its parameters train, its state dict loads and saves, it stands inside Sequential and
// inside captured steps. What it computes, its file says.

import type { PathInput } from '../checkpoint/index.js';
import { type NativeScript, native } from '../native.js';
import { type AnyModule, Module } from '../nn/index.js';
import { Buffer, capture, type Device, Parameter, Tensor } from '../tensor/index.js';
import { programFile } from './programFile.js';
import { fromScript, type ScriptInput, type ScriptOutput, scripts, toScript } from './values.js';

/**
 * A module that Python has scripted or traced (`torch.jit.save`). `forward` and `call` take and give tensors, numbers, text,
 * and arrays, Maps and objects of these. Everything that `nn.Module` has works: `train`, `eval`, `parameters`, `stateDict`,
 * `loadStateDict`, `to`.
 *
 * Its tensors are shared with the script: what an optimizer changes, the script sees.
 */
export class ScriptModule<Output extends ScriptOutput = Tensor, Inputs extends ScriptInput[] = Tensor[]> extends Module<
  Output,
  Inputs
> {
  readonly #script: number;
  readonly #description: Pick<NativeScript, 'name' | 'attributes' | 'methods'>;
  /** The tensors that the script holds, by name, and the handles under which it was given them. */
  readonly #held = new Map<string, { tensor: Tensor; handle: number }>();
  #ready = false;

  /** @internal Use `loadScript`. `known`: what the tree around it has already, so that what is tied stays tied. */
  constructor(script: number, known = new Map<number, Parameter | Buffer | AnyModule>()) {
    super();
    this.#script = script;
    scripts.register(this, script);
    const { name, training, parameters, buffers, children, attributes, methods } = native.describeScript(script);
    this.#description = { name, attributes, methods };
    const once = <T extends Parameter | Buffer | AnyModule>(same: number, make: () => T, spare: () => void): T => {
      const there = known.get(same) as T | undefined;
      if (there === undefined) known.set(same, make());
      else spare();
      return known.get(same) as T;
    };
    for (const [key, handle, same] of parameters) {
      const make = () => new Parameter(new Tensor(handle), native.requiresGrad(handle));
      this.#hold(
        key,
        this.registerParameter(
          key,
          once(same, make, () => native.release(handle)),
        ),
      );
    }
    for (const [key, handle, same] of buffers) {
      const make = () => new Buffer(new Tensor(handle));
      this.#hold(
        key,
        this.registerBuffer(
          key,
          once(same, make, () => native.release(handle)),
        ),
      );
    }
    for (const [key, child, same] of children) {
      const make = () => new ScriptModule(child, known) as unknown as AnyModule;
      this.registerModule(
        key,
        once(same, make, () => native.releaseScript(child)),
      );
    }
    super.training = training;
    this.#ready = true;
  }

  #hold(name: string, tensor: Tensor): void {
    this.#held.set(name, { tensor, handle: tensor.handle });
  }

  override get training(): boolean {
    return super.training;
  }

  override set training(mode: boolean) {
    super.training = mode;
    if (this.#ready && 'training' in this.attributes) native.setScriptAttribute(this.#script, 'training', mode);
  }

  /** The class that was scripted. */
  get className(): string {
    return this.#description.name;
  }

  /** Types of the attributes that are neither tensors nor modules: read and written by `attribute` and `setAttribute`. */
  get attributes(): Readonly<Record<string, string>> {
    return Object.fromEntries(this.#description.attributes);
  }

  /** Schemas of the methods, by name. */
  get methods(): Readonly<Record<string, string>> {
    return Object.fromEntries(this.#description.methods);
  }

  forward(...inputs: Inputs): Output {
    return this.call('forward', ...inputs) as Output;
  }

  /**
   * Calls a method of the script. Arguments that are left out have their defaults.
   * @throws ERR_SCRIPT, with the script's own stack, for what it raises; ERR_ARGUMENT for arguments of other types than its own
   */
  call(method: string, ...args: ScriptInput[]): ScriptOutput {
    const state = this.#settle();
    const result = native.callScript(this.#script, method, args.map(toScript), state);
    return fromScript(result);
  }

  /** The value of an attribute. */
  attribute(name: string): ScriptOutput {
    return fromScript(native.scriptAttribute(this.#script, name));
  }

  setAttribute(name: string, value: ScriptInput): void {
    native.setScriptAttribute(this.#script, name, toScript(value));
  }

  override brief(): string {
    return `script ${this.className}`;
  }

  override toString(): string {
    return super.toString().replace(/^ScriptModule/, `ScriptModule ${this.className}`);
  }

  /**
   * Gives the script the tensors that have replaced its own: moving a module to another device or dtype makes new ones. And a
   * captured step learns what the script may reach, in which mode.
   */
  #settle(): Float64Array {
    const state: number[] = [];
    for (const module of this.modules()) {
      if (!(module instanceof ScriptModule)) continue; // only those below a script are; none else can be
      if (capture.isRecording()) void module.training;
      for (const [name, held] of module.#held) {
        if (held.tensor.handle !== held.handle) {
          native.setScriptAttribute(module.#script, name, toScript(held.tensor));
          held.handle = held.tensor.handle;
        }
        state.push(held.handle);
      }
    }
    return Float64Array.from(state);
  }
}

export interface LoadScriptOptions {
  /** Where its tensors go (`map_location`). @default where they were when it was saved */
  device?: Device;
}

/**
 * Loads a module that Python saved with `torch.jit.save` (`torch.jit.load`). A script is a program: unlike a checkpoint it is
 * run. Load only files that you trust.
 *
 * PyTorch has deprecated TorchScript in favour of `torch.export`: for models that you export today see `loadPackage`.
 *
 * @param path a file; LibTorch reads it itself, on a thread of its own
 * @throws ERR_FILE if it is not there; ERR_FORMAT if it is no TorchScript, naming what it is, or damaged
 * @example
 * const features = (await loadScript('resnet50.pt')).eval();
 * const model = new nn.Sequential(features, new losses.IsoMaxHead(2048, 10));
 */
export async function loadScript<Output extends ScriptOutput = Tensor, Inputs extends ScriptInput[] = Tensor[]>(
  path: PathInput,
  { device }: LoadScriptOptions = {},
): Promise<ScriptModule<Output, Inputs>> {
  const file = await programFile(path, 'script');
  return new ScriptModule(await native.loadScript(file, device ?? null));
}
