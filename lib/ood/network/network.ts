// A network as the detectors see it that need more than its logits: last layer and features, maps inside of it, gradients
// with respect to its input. Whatever is asked, the model is in evaluation mode for the length of the question only, and its
// modules are as they were afterwards.

import { expected, IsotorchError } from '../../errors.js';
import { type AnyModule, Module } from '../../nn/index.js';
import { capture, Tensor, torch } from '../../tensor/index.js';
import { type ClassifierHead, headOf } from '../arrays/head.js';
import { findHead } from './findHead.js';
import { findStages } from './findStages.js';
import { checkModel, type EvaluatedModel, inEvaluationMode } from './model.js';
import { type Tap, whileTapped } from './tap.js';

export interface NetworkOptions {
  /**
   * From a batch's images to the model's input: normalises, and moves to the model's device. Where the model is captured it
   * must depend on the images alone. @default as they are
   */
  transform?: ((images: Tensor) => Tensor) | undefined;
  /**
   * The last layer: its path in the model, such as `'classifier'`, or the module itself. Its input are the features.
   * @default the `nn.Linear` or head of a loss whose result is the model's own result
   */
  head?: string | AnyModule | undefined;
  /**
   * Paths of the modules whose results detectors look at that need more than the last layer.
   * @default the blocks: modules directly in the model that have modules inside and give maps [N, C, H, W]; in a model
   *   without blocks, its activations
   */
  stages?: readonly string[] | undefined;
}

/**
 * @example
 * const network = new ood.Network(model, { transform: (images) => data.normalize(images, train.statistics) });
 * const { logits, features } = tidy(() => network.outputs(network.input(images)));
 */
export class Network {
  readonly model: EvaluatedModel;
  readonly #transform: NetworkOptions['transform'];
  #head: AnyModule | undefined;
  #stages: ReadonlyMap<string, AnyModule> | undefined;

  /** @throws ERR_ARGUMENT for paths that lead to no module of the model, and options of other types */
  constructor(model: EvaluatedModel, { transform, head, stages }: NetworkOptions = {}) {
    checkModel(model);
    if (transform !== undefined && typeof transform !== 'function')
      throw expected('a function', 'transform', transform);
    if (head !== undefined && typeof head !== 'string' && !(head instanceof Module))
      throw expected("a module's path such as 'classifier', or the module", 'head', head);
    if (stages !== undefined && !(Array.isArray(stages) && stages.length > 0))
      throw expected("an array of modules' paths such as ['layer1', 'layer2']", 'stages', stages);
    this.model = model;
    this.#transform = transform;
    if (head instanceof Module) this.#head = head;
    else if (head !== undefined) this.#head = this.moduleAt(head);
    if (stages !== undefined) this.#stages = new Map(stages.map((path) => [path, this.moduleAt(path)]));
  }

  /** Whether images come to the model as they are. */
  get isPlain(): boolean {
    return this.#transform === undefined;
  }

  /** What the model is given for these images. */
  input(images: Tensor): Tensor {
    return this.#transform ? this.#transform(images) : images;
  }

  /** Inputs [N, …] → logits [N, C]. @throws ERR_SHAPE when the model's result is not that */
  logits(input: Tensor): Tensor {
    return this.#run(input, new Map());
  }

  /**
   * Inputs → logits [N, C] and features [N, D], which are what the last layer is given.
   * @throws ERR_ARGUMENT when there is no telling which layer is the last; ERR_SHAPE
   */
  outputs(input: Tensor): { logits: Tensor; features: Tensor } {
    const head = this.#findHead(input);
    let features: unknown;
    const tap: Tap = (_, [given]) => {
      features = given;
    };
    const logits = this.#run(input, new Map([[head, tap]]));
    return { logits, features: checkFeatures(features, input, nameIn(this.model, head)) };
  }

  /** Inputs → features [N, D]. */
  features(input: Tensor): Tensor {
    return this.outputs(input).features;
  }

  /** The last layer. @throws ERR_ARGUMENT where it was not given and no input has passed yet */
  get head(): ClassifierHead {
    if (this.#head === undefined)
      throw new IsotorchError(
        'ERR_ARGUMENT',
        "The network's last layer is not known before its first input: give head: a module's path, or call outputs before",
      );
    return headOf(this.#head as Module);
  }

  /** The paths of the stages, in the order in which they run; found with an input where they were not given. */
  stagePaths(input: Tensor): string[] {
    return [...this.#findStages(input).keys()];
  }

  /**
   * Inputs → logits, and for each stage what `use` makes of its result, taken before a later layer could write into it.
   *
   * @param use [N, C, …] → a tensor; by default a copy
   * @param paths @default the network's stages
   */
  stages(
    input: Tensor,
    use: (map: Tensor, path: string) => Tensor = (map) => map.clone(),
    paths: readonly string[] = this.stagePaths(input),
  ): { logits: Tensor; stages: Tensor[] } {
    const results = new Map<string, Tensor>();
    const taps = new Map<AnyModule, Tap>();
    for (const path of paths)
      taps.set(this.moduleAt(path), (map) => void results.set(path, use(checkMap(map, path), path)));
    const logits = this.#run(input, taps);
    return { logits, stages: paths.map((path) => results.get(path) ?? neverRun(path)) };
  }

  /**
   * The logits that the network gives when a stage's result is another: `change` of what it is.
   * @param change [N, C, …] → the same shape
   */
  logitsWith(input: Tensor, path: string, change: (map: Tensor) => Tensor): Tensor {
    let ran = false;
    const tap: Tap = (map) => {
      ran = true;
      return change(checkMap(map, path));
    };
    const logits = this.#run(input, new Map([[this.moduleAt(path), tap]]));
    return ran ? logits : neverRun(path);
  }

  /**
   * The gradient of the sum of `loss(input)` with respect to the input, whatever the grad mode around.
   * @returns of the input's shape
   * @throws ERR_DTYPE for inputs without fractions
   */
  gradient(input: Tensor, loss: (input: Tensor) => Tensor): Tensor {
    if (!/^b?float/.test(input.dtype))
      throw new IsotorchError(
        'ERR_DTYPE',
        `Expected floating-point inputs for a gradient but received ${input.dtype}: give a transform that normalises images`,
      );
    return torch.enableGrad(() => {
      const at = input.detach();
      at.requiresGrad = true;
      return torch.autograd.grad(loss(at).sum(), [at])[0]!;
    });
  }

  /** The module of the model at a path. @throws ERR_ARGUMENT */
  moduleAt(path: string): AnyModule {
    const modules = this.model instanceof Module ? this.model.namedModules() : new Map<string, AnyModule>();
    const module = typeof path === 'string' ? modules.get(path) : undefined;
    if (module === undefined)
      throw expected(
        modules.size === 0
          ? `no path, as ${nameOf(this.model)} does not tell of modules inside`
          : `one of ${brief([...modules.keys()].filter((name) => name !== ''))}`,
        "a module's path",
        path,
      );
    return module;
  }

  #run(input: Tensor, taps: ReadonlyMap<AnyModule, Tap>): Tensor {
    return inEvaluationMode(this.model, () => {
      const output: unknown = whileTapped(taps, () => this.model.forward(input));
      checkOutput(output, input);
      return output;
    });
  }

  #findHead(input: Tensor): AnyModule {
    this.#head ??= this.#once(input, (one) => findHead(this.model, one));
    return this.#head;
  }

  #findStages(input: Tensor): ReadonlyMap<string, AnyModule> {
    this.#stages ??= this.#once(input, (one) => findStages(this.model, one));
    return this.#stages;
  }

  /** Runs one input through the model to see what it is made of; no record knows of it. */
  #once<T>(input: Tensor, look: (one: Tensor) => T): T {
    return capture.outside(() =>
      torch.tidy(() => torch.noGrad(() => inEvaluationMode(this.model, () => look(input.narrow(0, 0, 1))))),
    );
  }
}

/** A model's name in messages and results: its class's. */
export function nameOf(model: object): string {
  const name = model.constructor?.name;
  return name === undefined || name === '' || name === 'Object' ? 'unnamed' : name;
}

function nameIn(model: EvaluatedModel, module: AnyModule): string {
  for (const [path, inside] of model instanceof Module ? model.namedModules() : []) if (inside === module) return path;
  return module.brief();
}

function brief(names: readonly string[]): string {
  return names.length > 12 ? `${names.slice(0, 12).join(', ')} …` : names.join(', ');
}

function checkOutput(output: unknown, input: Tensor): asserts output is Tensor {
  if (!(output instanceof Tensor)) throw expected('a Tensor', 'the result of model.forward', output);
  const { shape } = output;
  if (shape.length !== 2 || shape[0] !== input.shape[0] || shape[1]! < 1)
    throw new IsotorchError(
      'ERR_SHAPE',
      `Expected logits of shape [${input.shape[0]}, classes] from model.forward but received [${shape.join(', ')}]`,
    );
}

function checkFeatures(features: unknown, input: Tensor, head: string): Tensor {
  if (features === undefined)
    throw new IsotorchError(
      'ERR_ARGUMENT',
      `Expected the model to run the head ${head} but it did not: name the module that the model's last layer is, head: 'path'`,
    );
  if (!(features instanceof Tensor)) throw expected('a Tensor', `the input of the head ${head}`, features);
  if (features.ndim !== 2 || features.shape[0] !== input.shape[0])
    throw new IsotorchError(
      'ERR_SHAPE',
      `Expected features of shape [${input.shape[0]}, D] as the input of the head ${head} but received [${features.shape.join(', ')}]`,
    );
  return features;
}

function checkMap(map: unknown, path: string): Tensor {
  if (!(map instanceof Tensor)) throw expected('a Tensor', `the result of the stage ${path}`, map);
  if (map.ndim < 2)
    throw new IsotorchError(
      'ERR_SHAPE',
      `Expected a map [N, C, …] from the stage ${path} but received [${map.shape.join(', ')}]`,
    );
  return map;
}

function neverRun(path: string): never {
  throw new IsotorchError('ERR_ARGUMENT', `Expected the model to run the stage ${path} but it did not`);
}
