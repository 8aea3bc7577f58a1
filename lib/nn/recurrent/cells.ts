// One step of a recurrent layer, for loops of one's own.

import { expected, IsotorchError } from '../../errors.js';
import { Parameter, Tensor, torch } from '../../tensor/index.js';
import { type FactoryOptions, factory, flag, wholeNumber } from '../arguments.js';
import { checkOptions } from '../fields.js';
import { uniform_ } from '../init.js';
import { Module } from '../module.js';
import { settings } from '../print.js';
import { checkNonlinearity, type LSTMState } from './layers.js';

export interface CellOptions extends FactoryOptions {
  /** Whether there are `bias_ih` and `bias_hh`. @default true */
  bias?: boolean;
}

/** Weights `weight_ih` [gates·hidden, in] and `weight_hh` [gates·hidden, hidden], biases; U(−1/√hidden, 1/√hidden). */
abstract class RecurrentCell<State> extends Module<State, [input: Tensor, state?: State | null]> {
  readonly inputSize: number;
  readonly hiddenSize: number;
  weightIh: Parameter;
  weightHh: Parameter;
  biasIh: Parameter | null = null;
  biasHh: Parameter | null = null;

  /** @internal */
  static readonly optionNames: readonly string[] = ['bias', 'device', 'dtype'];

  constructor(gates: number, inputSize: number, hiddenSize: number, options: CellOptions) {
    super();
    checkOptions(new.target.name, options, new.target.optionNames);
    const { bias = true } = options;
    this.inputSize = wholeNumber(inputSize, 'inputSize');
    this.hiddenSize = wholeNumber(hiddenSize, 'hiddenSize');
    const kind = factory(options);
    const rows = gates * hiddenSize;
    this.weightIh = new Parameter(torch.empty([rows, inputSize], kind));
    this.weightHh = new Parameter(torch.empty([rows, hiddenSize], kind));
    if (flag(bias, 'bias')) {
      this.biasIh = new Parameter(torch.empty([rows], kind));
      this.biasHh = new Parameter(torch.empty([rows], kind));
    }
    const bound = 1 / Math.sqrt(hiddenSize);
    for (const parameter of [this.weightIh, this.weightHh, this.biasIh, this.biasHh])
      if (parameter !== null) uniform_(parameter, -bound, bound);
  }

  /** `step` with a batch of one where there is none; states default to zeros. */
  protected batched(
    input: Tensor,
    state: readonly Tensor[] | null,
    count: number,
    step: (input: Tensor, state: readonly Tensor[]) => readonly Tensor[],
  ): readonly Tensor[] {
    if (!(input instanceof Tensor)) throw expected('a Tensor', 'input', input);
    for (const tensor of [input, ...(state ?? [])]) {
      if (!(tensor instanceof Tensor)) throw expected('Tensors', 'state', tensor);
      if (tensor.ndim !== 1 && tensor.ndim !== 2)
        throw new IsotorchError(
          'ERR_SHAPE',
          `${this.constructor.name}: expected inputs and states of 1 or 2 dimensions, received [${tensor.shape.join(', ')}]`,
        );
    }
    const whole = input.ndim === 2;
    const rows = whole ? input : input.unsqueeze(0);
    const { dtype, device } = input;
    const before =
      state === null
        ? Array<Tensor>(count).fill(torch.zeros([rows.shape[0]!, this.hiddenSize], { dtype, device }))
        : whole
          ? state
          : state.map((part) => part.unsqueeze(0));
    const after = step(rows, before);
    return whole ? after : after.map((part) => part.squeeze(0));
  }

  protected get nonDefaults(): Readonly<Record<string, string>> {
    return {};
  }

  override extraRepr(): string {
    const bias = this.biasIh === null ? { bias: false } : {};
    const rest = settings({ ...bias, ...this.nonDefaults });
    return `${this.inputSize}, ${this.hiddenSize}${rest === '' ? '' : `, ${rest}`}`;
  }

  override brief(): string {
    return `${this.constructor.name} ${this.inputSize} → ${this.hiddenSize}`;
  }
}

export interface RNNCellOptions extends CellOptions {
  /** @default 'tanh' */
  nonlinearity?: 'tanh' | 'relu';
}

/**
 * A step of RNN (`torch.nn.RNNCell`): [N, in] and [N, hidden] → [N, hidden], or all without N.
 * @example let h = torch.zeros([3, 20]); for (const x of inputs) h = cell.forward(x, h);
 */
export class RNNCell extends RecurrentCell<Tensor> {
  readonly nonlinearity: 'tanh' | 'relu';

  /** @internal */
  static override readonly optionNames = [...RecurrentCell.optionNames, 'nonlinearity'];

  constructor(inputSize: number, hiddenSize: number, options: RNNCellOptions = {}) {
    super(1, inputSize, hiddenSize, options);
    this.nonlinearity = checkNonlinearity(options.nonlinearity ?? 'tanh');
  }

  override forward(input: Tensor, hidden: Tensor | null = null): Tensor {
    const { weightIh, weightHh, biasIh, biasHh } = this;
    const cell = this.nonlinearity === 'relu' ? torch.rnnReluCell : torch.rnnTanhCell;
    const step = (rows: Tensor, [h]: readonly Tensor[]) => [cell(rows, h!, weightIh, weightHh, biasIh, biasHh)];
    return this.batched(input, hidden && [hidden], 1, step)[0]!;
  }

  protected override get nonDefaults(): Readonly<Record<string, string>> {
    return this.nonlinearity === 'tanh' ? {} : { nonlinearity: this.nonlinearity };
  }
}

/** A step of GRU (`torch.nn.GRUCell`): [N, in] and [N, hidden] → [N, hidden], or all without N. */
export class GRUCell extends RecurrentCell<Tensor> {
  constructor(inputSize: number, hiddenSize: number, options: CellOptions = {}) {
    super(3, inputSize, hiddenSize, options);
  }

  override forward(input: Tensor, hidden: Tensor | null = null): Tensor {
    const { weightIh, weightHh, biasIh, biasHh } = this;
    const step = (rows: Tensor, [h]: readonly Tensor[]) => [
      torch.gruCell(rows, h!, weightIh, weightHh, biasIh, biasHh),
    ];
    return this.batched(input, hidden && [hidden], 1, step)[0]!;
  }
}

/** A step of LSTM (`torch.nn.LSTMCell`): [N, in] and [hidden, cell] of [N, hidden] each → [hidden, cell]. */
export class LSTMCell extends RecurrentCell<LSTMState> {
  constructor(inputSize: number, hiddenSize: number, options: CellOptions = {}) {
    super(4, inputSize, hiddenSize, options);
  }

  override forward(input: Tensor, state: LSTMState | null = null): LSTMState {
    if (state !== null && (!Array.isArray(state) || state.length !== 2))
      throw expected('[hidden, cell]', 'state', state);
    const { weightIh, weightHh, biasIh, biasHh } = this;
    const [hidden, cell] = this.batched(input, state, 2, (rows, before) =>
      torch.lstmCell(rows, before, weightIh, weightHh, biasIh, biasHh),
    );
    return [hidden!, cell!];
  }
}
