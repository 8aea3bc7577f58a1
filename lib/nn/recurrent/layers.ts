// The recurrent layers. Each is one operator of LibTorch over all its layers, directions and steps.

import { expected } from '../../errors.js';
import { type Tensor, torch } from '../../tensor/index.js';
import { PackedSequence } from '../utils/rnn.js';
import { type Recurrence, RecurrentLayer, type RecurrentOptions } from './layer.js';

/** A layer whose state is one tensor. */
abstract class HiddenLayer extends RecurrentLayer<Tensor> {
  protected override get stateSizes(): readonly number[] {
    return [this.hiddenSize];
  }

  protected override parts(state: Tensor): readonly Tensor[] {
    return [state];
  }

  protected override join([hidden]: readonly Tensor[]): Tensor {
    return hidden!;
  }

  protected abstract readonly operator: typeof torch.gru;

  protected override run(
    input: Tensor | PackedSequence,
    [hidden]: readonly Tensor[],
    { weights, bias, numLayers, dropout, training, bidirectional, batchFirst }: Recurrence,
  ): readonly Tensor[] {
    const { operator } = this;
    return input instanceof PackedSequence
      ? operator(input.data, input.batchSizes, hidden!, weights, bias, numLayers, dropout, training, bidirectional)
      : operator(input, hidden!, weights, bias, numLayers, dropout, training, bidirectional, batchFirst);
  }
}

export interface RNNOptions extends RecurrentOptions {
  /** @default 'tanh' */
  nonlinearity?: 'tanh' | 'relu';
}

/** @throws ERR_ARGUMENT for others. */
export function checkNonlinearity(value: unknown): 'tanh' | 'relu' {
  if (value !== 'tanh' && value !== 'relu') throw expected("'tanh' or 'relu'", 'nonlinearity', value);
  return value;
}

/**
 * An Elman network (`torch.nn.RNN`): h′ = tanh(W_ih·x + b_ih + W_hh·h + b_hh), or with ReLU.
 *
 * State dict, for each layer k: `weight_ih_lk` [hidden, in], `weight_hh_lk` [hidden, hidden], `bias_ih_lk`, `bias_hh_lk`, and
 * the same with `_reverse`; all U(−1/√hidden, 1/√hidden) at first.
 * @example const [output, hidden] = new nn.RNN(10, 20).forward(torch.randn([5, 3, 10])); // [5, 3, 20] and [1, 3, 20]
 */
export class RNN extends HiddenLayer {
  readonly nonlinearity: 'tanh' | 'relu';

  /** @internal */
  static override readonly optionNames = [...RecurrentLayer.optionNames, 'nonlinearity'];

  constructor(inputSize: number, hiddenSize: number, options: RNNOptions = {}) {
    super(1, inputSize, hiddenSize, options);
    this.nonlinearity = checkNonlinearity(options.nonlinearity ?? 'tanh');
  }

  protected override get operator(): typeof torch.gru {
    return this.nonlinearity === 'relu' ? torch.rnnRelu : torch.rnnTanh;
  }

  protected override get cudnnMode(): number {
    return this.nonlinearity === 'relu' ? 0 : 1;
  }
}

/**
 * Gated recurrent units (`torch.nn.GRU`; Cho et al. 2014): r, z = σ(W_i·x + b_i + W_h·h + b_h),
 * n = tanh(W_in·x + b_in + r ⊙ (W_hn·h + b_hn)), h′ = (1 − z) ⊙ n + z ⊙ h.
 *
 * State dict as RNN's, with 3·hidden rows: r, z, n.
 */
export class GRU extends HiddenLayer {
  constructor(inputSize: number, hiddenSize: number, options: RecurrentOptions = {}) {
    super(3, inputSize, hiddenSize, options);
  }

  protected override get operator(): typeof torch.gru {
    return torch.gru;
  }

  protected override get cudnnMode(): number {
    return 3;
  }
}

export interface LSTMOptions extends RecurrentOptions {
  /** Features to which each hidden state is projected, less than `hiddenSize`; 0: none. @default 0 */
  projSize?: number;
}

/** The hidden state and the cell's. */
export type LSTMState = [hidden: Tensor, cell: Tensor];

/**
 * Long short-term memory (`torch.nn.LSTM`; Hochreiter & Schmidhuber 1997, projections by Sak et al. 2014): i, f, o =
 * σ(W_i·x + b_i + W_h·h + b_h), g = tanh(…), c′ = f ⊙ c + i ⊙ g, h′ = o ⊙ tanh(c′).
 *
 * State dict as RNN's, with 4·hidden rows: i, f, g, o; with projections also `weight_hr_lk` [proj, hidden].
 * @example const [output, [hidden, cell]] = new nn.LSTM(10, 20, { numLayers: 2 }).forward(torch.randn([5, 3, 10]));
 */
export class LSTM extends RecurrentLayer<LSTMState> {
  /** @internal */
  static override readonly optionNames = [...RecurrentLayer.optionNames, 'projSize'];

  constructor(inputSize: number, hiddenSize: number, options: LSTMOptions = {}) {
    super(4, inputSize, hiddenSize, options, options?.projSize ?? 0);
  }

  protected override get stateSizes(): readonly number[] {
    return [this.outputSize, this.hiddenSize];
  }

  protected override parts(state: LSTMState): readonly Tensor[] {
    if (!Array.isArray(state) || state.length !== 2) throw expected('[hidden, cell]', 'state', state);
    return state;
  }

  protected override join([hidden, cell]: readonly Tensor[]): LSTMState {
    return [hidden!, cell!];
  }

  protected override get cudnnMode(): number {
    return 2;
  }

  protected override run(
    input: Tensor | PackedSequence,
    state: readonly Tensor[],
    { weights, bias, numLayers, dropout, training, bidirectional, batchFirst }: Recurrence,
  ): readonly Tensor[] {
    return input instanceof PackedSequence
      ? torch.lstm(input.data, input.batchSizes, state, weights, bias, numLayers, dropout, training, bidirectional)
      : torch.lstm(input, state, weights, bias, numLayers, dropout, training, bidirectional, batchFirst);
  }
}
