// Models that Python has exported and compiled (`torch._inductor.aoti_compile_and_package`), run without Python.

import { types } from 'node:util';
import type { PathInput } from '../checkpoint/index.js';
import { expected, IsotorchError } from '../errors.js';
import { native } from '../native.js';
import type { StateSource } from '../nn/index.js';
import { Tensor } from '../tensor/index.js';
import { programFile } from './programFile.js';

export interface LoadPackageOptions {
  /** Which of the package's models. @default 'model' */
  model?: string;
  /** Which of the accelerators, for a package that was compiled for one. @default the current one */
  deviceIndex?: number;
}

const packages = new FinalizationRegistry<number>((number) => native.releasePackage(number));

/** A compiled model: tensors in, tensors out, without gradients. */
export class ExportedModel {
  readonly #package: number;
  /** What the compiler wrote down, such as `AOTI_DEVICE_KEY`. */
  readonly metadata: Readonly<Record<string, string>>;
  /** Names of its weights, as in the exported program's state dict. */
  readonly constants: readonly string[];

  /** @internal Use `loadPackage`. */
  constructor(number: number) {
    this.#package = number;
    packages.register(this, number, this);
    const { metadata, constants } = native.describePackage(number);
    this.metadata = Object.freeze(metadata);
    this.constants = Object.freeze(constants);
  }

  /**
   * Runs it. Inputs are the exported program's, flattened: the tensors in the order of its arguments, those inside of tuples
   * and dicts in theirs. The results are flat in the same way.
   * @throws ERR_SCRIPT for what it refuses, such as other shapes than it was compiled for
   */
  run(...inputs: Tensor[]): Tensor[] {
    for (const [i, input] of inputs.entries())
      if (!(input instanceof Tensor)) throw expected('a Tensor', `input ${i + 1}`, input);
    const handles = Float64Array.from(inputs, ({ handle }) => handle);
    return Array.from(native.runPackage(this.#package, handles), (handle) => new Tensor(handle));
  }

  /** The first of its results: what a model with one output gives. */
  forward(...inputs: Tensor[]): Tensor {
    const [first, ...others] = this.run(...inputs);
    for (const other of others) other.dispose();
    if (first === undefined) throw new IsotorchError('ERR_ARGUMENT', 'Expected a model that gives a tensor: use run()');
    return first;
  }

  /**
   * Replaces weights, by their names in `constants`.
   * @throws ERR_STATE_DICT for names that the package does not have, or with `strict` for names that are missing
   */
  loadStateDict(dict: StateSource, { strict = true }: { strict?: boolean } = {}): void {
    const entries = types.isMap(dict) ? [...dict] : Object.entries(dict);
    for (const [name, tensor] of entries)
      if (!(tensor instanceof Tensor)) throw expected('a Tensor', String(name), tensor, 'ERR_STATE_DICT');
    const handles = Float64Array.from(entries as [string, Tensor][], ([, { handle }]) => handle);
    native.updatePackage(
      this.#package,
      entries.map(([name]) => String(name)),
      handles,
      strict,
    );
  }

  dispose(): void {
    packages.unregister(this);
    native.releasePackage(this.#package);
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

/**
 * Loads a `.pt2` package that AOTInductor has compiled (`torch._inductor.aoti_load_package`). It is native code for the machine
 * that it was compiled for, and is run: load only files that you trust.
 * @throws ERR_FILE if it is not there; ERR_FORMAT if it is no package, naming what it is, or has no such model
 * @example
 * using model = await loadPackage('resnet.pt2');
 * const logits = model.forward(images);
 */
export async function loadPackage(path: PathInput, options: LoadPackageOptions = {}): Promise<ExportedModel> {
  const { model = 'model', deviceIndex = -1 } = options;
  const file = await programFile(path, 'package');
  return new ExportedModel(await native.loadPackage(file, model, deviceIndex));
}
