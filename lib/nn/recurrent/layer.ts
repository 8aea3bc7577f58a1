// What RNN, GRU and LSTM share: parameters for each layer and direction under PyTorch's names, their first values, and the
// forms in which sequences and states come: batched or not, batch or time first, packed.

import { expected, IsotorchError } from '../../errors.js';
import { Parameter, Tensor, torch } from '../../tensor/index.js';
import { type FactoryOptions, factory, flag, probability, wholeNumber } from '../arguments.js';
import { checkOptions } from '../fields.js';
import { uniform_ } from '../init.js';
import { Module } from '../module.js';
import { settings } from '../print.js';
import { PackedSequence } from '../utils/rnn.js';

export interface RecurrentOptions extends FactoryOptions {
  /** Layers, each of which takes what the one below gives. @default 1 */
  numLayers?: number;
  /** Whether there are `bias_ih` and `bias_hh`. @default true */
  bias?: boolean;
  /** Whether sequences come as [N, L, *] instead of [L, N, *]; states don't change. @default false */
  batchFirst?: boolean;
  /** The probability of dropping what a layer gives, but for the last. @default 0 */
  dropout?: number;
  /** Whether each layer also runs backwards; both results are joined. @default false */
  bidirectional?: boolean;
}

const optionNames = ['numLayers', 'bias', 'batchFirst', 'dropout', 'bidirectional', 'device', 'dtype'] as const;

/** Parameters' field names, such as `weightIhL0` or `biasHhL1Reverse`. */
type Role = 'weightIh' | 'weightHh' | 'biasIh' | 'biasHh' | 'weightHr';
type ParameterName = `${Role}L${number}` | `${Role}L${number}Reverse`;

/** One call: what LibTorch's operators take beside the sequence and the state. */
export interface Recurrence {
  weights: Parameter[];
  bias: boolean;
  numLayers: number;
  dropout: number;
  training: boolean;
  bidirectional: boolean;
  batchFirst: boolean;
}

export abstract class RecurrentLayer<State> extends Module<
  [Tensor, State] | [PackedSequence, State],
  [input: Tensor | PackedSequence, state?: State | null]
> {
  readonly inputSize: number;
  readonly hiddenSize: number;
  readonly numLayers: number;
  readonly bias: boolean;
  readonly batchFirst: boolean;
  readonly dropout: number;
  readonly bidirectional: boolean;
  readonly projSize: number;
  readonly #names: ParameterName[] = [];
  [parameter: ParameterName]: Parameter;

  /** @param gates how many times `hiddenSize` the rows of the weights are. */
  /** @internal */
  static readonly optionNames: readonly string[] = optionNames;

  constructor(gates: number, inputSize: number, hiddenSize: number, options: RecurrentOptions, projSize = 0) {
    super();
    checkOptions(new.target.name, options, new.target.optionNames);
    const { numLayers = 1, bias = true, batchFirst = false, dropout = 0, bidirectional = false } = options;
    this.inputSize = wholeNumber(inputSize, 'inputSize');
    this.hiddenSize = wholeNumber(hiddenSize, 'hiddenSize');
    this.numLayers = wholeNumber(numLayers, 'numLayers');
    this.bias = flag(bias, 'bias');
    this.batchFirst = flag(batchFirst, 'batchFirst');
    this.dropout = probability(dropout, 'dropout');
    this.bidirectional = flag(bidirectional, 'bidirectional');
    this.projSize = wholeNumber(projSize, 'projSize', 0);
    if (projSize >= hiddenSize) throw expected(`less than hiddenSize (${hiddenSize})`, 'projSize', projSize);
    if (dropout > 0 && numLayers === 1)
      process.emitWarning(
        `${new.target.name}: dropout acts between layers, so dropout: ${dropout} with one layer does nothing`,
        { code: 'ISOTORCH_DROPOUT' },
      );
    const kind = factory(options);
    const rows = gates * hiddenSize;
    const add = (name: ParameterName, shape: number[]) => {
      this[name] = new Parameter(torch.empty(shape, kind));
      this.#names.push(name);
    };
    for (let layer = 0; layer < numLayers; layer++) {
      for (const direction of bidirectional ? (['', 'Reverse'] as const) : ([''] as const)) {
        const end = `L${layer}${direction}` as const;
        const columns = layer === 0 ? inputSize : this.outputSize * this.directions;
        add(`weightIh${end}` as ParameterName, [rows, columns]);
        add(`weightHh${end}` as ParameterName, [rows, this.outputSize]);
        if (bias) add(`biasIh${end}` as ParameterName, [rows]);
        if (bias) add(`biasHh${end}` as ParameterName, [rows]);
        if (projSize > 0) add(`weightHr${end}` as ParameterName, [projSize, hiddenSize]);
      }
    }
    const bound = 1 / Math.sqrt(hiddenSize);
    for (const weight of this.weights) uniform_(weight, -bound, bound);
    this.flattenParameters();
  }

  protected get directions(): 1 | 2 {
    return this.bidirectional ? 2 : 1;
  }

  /** Features of what one direction gives. */
  protected get outputSize(): number {
    return this.projSize > 0 ? this.projSize : this.hiddenSize;
  }

  /** In the order in which LibTorch takes them. */
  protected get weights(): Parameter[] {
    return this.#names.map((name) => this[name]!);
  }

  /** cuDNN's number for this kind of layer. */
  protected abstract readonly cudnnMode: number;

  /** The sizes of each part of a state: features of the hidden one, and of the cell's if it has one. */
  protected abstract readonly stateSizes: readonly number[];

  /** A state as a list, and a list as a state. */
  protected abstract parts(state: State): readonly Tensor[];
  protected abstract join(parts: readonly Tensor[]): State;

  /** What LibTorch's operator gives: output, then the state's parts. */
  protected abstract run(
    input: Tensor | PackedSequence,
    state: readonly Tensor[],
    recurrence: Recurrence,
  ): readonly Tensor[];

  /**
   * @param input [L, N, inputSize] ([N, L, inputSize] with `batchFirst`), or [L, inputSize] for a single sequence, or packed
   *   ones.
   * @param state at the beginning: [numLayers · directions, N, features] for each of its parts, without N for a single
   *   sequence. Default: zeros.
   * @returns what the last layer gives at each step, in the input's form, and the state at the end.
   * @throws ERR_SHAPE for other sizes.
   */
  override forward(input: Tensor, state?: State | null): [output: Tensor, state: State];
  override forward(input: PackedSequence, state?: State | null): [output: PackedSequence, state: State];
  override forward(input: Tensor | PackedSequence, state?: State | null): [Tensor, State] | [PackedSequence, State];
  override forward(
    input: Tensor | PackedSequence,
    state: State | null = null,
  ): [Tensor, State] | [PackedSequence, State] {
    const { weights, bias, numLayers, dropout, training, bidirectional, batchFirst } = this;
    const recurrence = { weights, bias, numLayers, dropout, training, bidirectional, batchFirst };
    if (input instanceof PackedSequence) {
      this.#checkInput(input.data, 2);
      const { sortedIndices, unsortedIndices } = input;
      const first = state === null ? this.#zeros(input.data, input.length) : this.parts(state);
      this.#checkState(first, input.length, true);
      const [data, ...last] = this.run(input, permuted(first, state === null ? null : sortedIndices), recurrence);
      return [input.with(data!), this.join(permuted(last, unsortedIndices))];
    }
    if (!(input instanceof Tensor)) throw expected('a Tensor or a PackedSequence', 'input', input);
    const batched = input.ndim === 3;
    this.#checkInput(input, batched ? 3 : 2);
    const batchDim = batchFirst ? 0 : 1;
    const sequences = batched ? input : input.unsqueeze(batchDim);
    const size = sequences.shape[batchDim]!;
    const given = state === null ? this.#zeros(input, size) : this.parts(state);
    if (state !== null) this.#checkState(given, size, batched);
    const first = batched || state === null ? given : given.map((part) => part.unsqueeze(1));
    const [output, ...last] = this.run(sequences, first, recurrence);
    if (batched) return [output!, this.join(last)];
    return [output!.squeeze(batchDim), this.join(last.map((part) => part.squeeze(1)))];
  }

  #zeros({ dtype, device }: Tensor, sequences: number): Tensor[] {
    const depth = this.numLayers * this.directions;
    return this.stateSizes.map((size) => torch.zeros([depth, sequences, size], { dtype, device }));
  }

  #checkInput(input: Tensor, dimensions: number): void {
    const { shape } = input;
    if (shape.length === dimensions && shape.at(-1) === this.inputSize) return;
    const kind = this.constructor.name;
    throw new IsotorchError(
      'ERR_SHAPE',
      `${kind}: expected an input of ${dimensions === 3 ? '2 or 3' : dimensions} dimensions with ${this.inputSize} features, received [${shape.join(', ')}]`,
    );
  }

  #checkState(parts: readonly Tensor[], sequences: number, batched: boolean): void {
    const depth = this.numLayers * this.directions;
    for (const [i, size] of this.stateSizes.entries()) {
      const part = parts[i];
      if (!(part instanceof Tensor)) throw expected('a Tensor', 'state', part);
      const wanted = batched ? [depth, sequences, size] : [depth, size];
      if (part.shape.join() !== wanted.join())
        throw new IsotorchError(
          'ERR_SHAPE',
          `${this.constructor.name}: expected a state of [${wanted.join(', ')}], received [${part.shape.join(', ')}]`,
        );
    }
  }

  /** Puts the weights into one piece of memory, as cuDNN wants them; on other devices nothing happens. */
  flattenParameters(): void {
    const { weights, bias, projSize, inputSize, hiddenSize, numLayers, batchFirst, bidirectional } = this;
    if (!weights.every(({ device, dtype }) => device.startsWith('cuda') && dtype === weights[0]!.dtype)) return;
    const each = (bias ? 4 : 2) + (projSize > 0 ? 1 : 0);
    torch.noGrad(() =>
      torch
        ._cudnnRnnFlattenWeight(
          weights,
          each,
          inputSize,
          this.cudnnMode,
          hiddenSize,
          projSize,
          numLayers,
          batchFirst,
          bidirectional,
        )
        .dispose(),
    );
  }

  protected override moved(): void {
    this.flattenParameters();
  }

  override extraRepr(): string {
    const { inputSize, hiddenSize, projSize, numLayers, bias, batchFirst, dropout, bidirectional } = this;
    const rest = settings({
      ...(projSize === 0 ? {} : { proj_size: projSize }),
      ...(numLayers === 1 ? {} : { num_layers: numLayers }),
      ...(bias ? {} : { bias }),
      ...(batchFirst ? { batch_first: batchFirst } : {}),
      ...(dropout === 0 ? {} : { dropout: float(dropout) }),
      ...(bidirectional ? { bidirectional } : {}),
    });
    return `${inputSize}, ${hiddenSize}${rest === '' ? '' : `, ${rest}`}`;
  }

  override brief(): string {
    return `${this.constructor.name} ${this.inputSize} → ${this.outputSize * this.directions}`;
  }
}

/** Python prints the float 1 as 1.0. */
const float = (value: number): string | number => (Number.isInteger(value) ? `${value}.0` : value);

const permuted = (parts: readonly Tensor[], order: Tensor | null): readonly Tensor[] =>
  order === null ? parts : parts.map((part) => part.indexSelect(1, order));
