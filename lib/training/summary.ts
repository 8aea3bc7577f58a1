// What a model is made of, from one run of it: each layer's output, parameters and multiply-adds, as a table. Multiply-adds are those of
// matrix products, convolutions, recurrent layers and attention, which is where a network's time goes; the rest counts as none.

import { expected } from '../errors.js';
import { Head } from '../losses/index.js';
import * as nn from '../nn/index.js';
import { Tensor, tidy, torch } from '../tensor/index.js';

export interface LayerSummary {
  /** Where it is in the model, such as `body.0`; '' for the model itself. */
  readonly name: string;
  readonly type: string;
  /** Of its output, or of each of several. */
  readonly output: readonly (readonly number[])[];
  /** Of the layer itself, or of all of an attention; 0 when it is called again. */
  readonly parameters: number;
  /** For the inputs that were given; null for a layer with parameters that this knows nothing of. */
  readonly multiplyAdds: number | null;
}

export interface Summary {
  /** In the order of their calls. */
  readonly layers: readonly LayerSummary[];
  /** Of the model, each once. */
  readonly parameters: number;
  readonly trainable: number;
  /** Of the layers that are known. */
  readonly multiplyAdds: number;
  /** The table. */
  toString(): string;
}

/**
 * Runs a model once, in evaluation mode and without gradients, and tells what each layer did. The model stays as it was.
 * @param input what `forward` is given: a tensor, or an array of arguments
 * @throws ERR_ARGUMENT for what is no module; what the model throws
 * @example console.log(String(training.summary(model, torch.zeros([1, 3, 32, 32]))));
 */
export function summary<Inputs extends unknown[]>(model: nn.Module<unknown, Inputs>, input: Tensor | Inputs): Summary {
  if (!(model instanceof nn.Module)) throw expected('a Module', 'model', model);
  const named = [...(model as unknown as nn.Module).namedModules()];
  const modes = named.map(([, module]) => module.training);
  const layers: LayerSummary[] = [];
  const seen = new Set<object>();
  let inside = 0; // of a layer that is told as a whole
  const hooks = named.flatMap(([name, module]) => {
    const whole = module instanceof nn.MultiheadAttention;
    const own = [...(whole ? module.parameters() : module.ownParameters().values())];
    if ([...module.namedChildren()].length > 0 && own.length === 0) return [];
    return [
      module.registerForwardPreHook(
        () => {
          if (whole) inside++;
        },
        { prepend: true },
      ),
      module.registerForwardHook((_, inputs, output) => {
        if (whole) inside--;
        if (inside > 0) return;
        layers.push({
          name,
          type: module.constructor.name,
          output: tensorsOf(output).map(({ shape }) => [...shape]),
          parameters: seen.has(module) ? 0 : own.reduce((sum, parameter) => sum + parameter.numel(), 0),
          multiplyAdds: multiplyAdds(module, inputs, output) ?? (own.every(({ ndim }) => ndim < 2) ? 0 : null),
        });
        seen.add(module);
      }),
    ];
  });
  try {
    model.eval();
    torch.noGrad(() => tidy(() => void model.forward(...((input instanceof Tensor ? [input] : input) as Inputs))));
  } finally {
    for (const hook of hooks) hook.remove();
    for (const [i, [, module]] of named.entries()) module.training = modes[i]!;
  }
  const parameters = model.parameters();
  const count = (list: readonly Tensor[]) => list.reduce((sum, tensor) => sum + tensor.numel(), 0);
  const whole = {
    layers,
    parameters: count(parameters),
    trainable: count(parameters.filter(({ requiresGrad }) => requiresGrad)),
    multiplyAdds: layers.reduce((sum, layer) => sum + (layer.multiplyAdds ?? 0), 0),
  };
  return { ...whole, toString: () => table(whole) };
}

function multiplyAdds(module: object, inputs: readonly unknown[], output: unknown): number | undefined {
  const [given, made] = [tensorsOf(inputs), tensorsOf(output)];
  const [x, y] = [given[0], made[0]];
  if (x === undefined || y === undefined) return undefined;
  if (module instanceof nn.Linear) return y.numel() * module.weight.shape[1]!;
  if (module instanceof nn.Embedding || module instanceof nn.EmbeddingBag) return 0;
  if (module instanceof Head) return y.numel() * module.numFeatures;
  if (module instanceof nn.Bilinear) return (y.numel() * module.weight.numel()) / module.weight.shape[0]!;
  const transposed = [nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d].some(
    (type) => module instanceof type,
  );
  const convolution = [nn.Conv1d, nn.Conv2d, nn.Conv3d].some((type) => module instanceof type);
  if (transposed || convolution) {
    const { weight } = module as nn.Conv2d;
    return ((transposed ? x : y).numel() * weight.numel()) / weight.shape[0]!;
  }
  if (module instanceof nn.RNN || module instanceof nn.LSTM || module instanceof nn.GRU)
    return (x.numel() / module.inputSize) * products(module);
  if (module instanceof nn.RNNCell || module instanceof nn.LSTMCell || module instanceof nn.GRUCell)
    return (x.numel() / module.inputSize) * products(module);
  return module instanceof nn.MultiheadAttention ? attention(module, given) : undefined;
}

/** Entries of all matrices: each is multiplied once a step. */
const products = (module: Pick<nn.Module, 'parameters'>): number =>
  module.parameters().reduce((sum, weight) => sum + (weight.ndim === 2 ? weight.numel() : 0), 0);

/** Four projections, the scores of each pair of places, and the sums of values that they weigh. */
function attention({ embedDim, kdim, vdim, batchFirst }: nn.MultiheadAttention, given: readonly Tensor[]): number {
  const [query, key, value] = given as [Tensor, Tensor, Tensor];
  const [batch, place] = query.ndim === 2 ? [1, 0] : batchFirst ? [query.shape[0]!, 1] : [query.shape[1]!, 0];
  const [asked, offered] = [query.shape[place]!, key.shape[place]!];
  const projected = 2 * asked * embedDim + offered * kdim + value.shape[place]! * vdim;
  return batch * embedDim * (projected + 2 * asked * offered);
}

/** Those in arrays and packed sequences, too. */
function tensorsOf(value: unknown): Tensor[] {
  if (value instanceof Tensor) return [value];
  if (Array.isArray(value)) return value.flatMap(tensorsOf);
  return value instanceof nn.utils.rnn.PackedSequence ? [value.data] : [];
}

function table({ layers, parameters, trainable, multiplyAdds: total }: Omit<Summary, 'toString'>): string {
  const thousands = (value: number) => value.toLocaleString('en-US');
  const rows = layers.map(({ name, type, output, ...numbers }) => [
    name === '' ? type : `${name} ${type}`,
    output.map((shape) => `[${shape.join(', ')}]`).join(' '),
    thousands(numbers.parameters),
    numbers.multiplyAdds === null ? '?' : thousands(numbers.multiplyAdds),
  ]);
  const frozen = trainable < parameters ? ` (${thousands(trainable)} trainable)` : '';
  const all = [
    ['layer', 'output', 'parameters', 'multiply-adds'],
    ...rows,
    [
      `total${frozen}`,
      '',
      thousands(parameters),
      `${layers.some((layer) => layer.multiplyAdds === null) ? '≥ ' : ''}${thousands(total)}`,
    ],
  ];
  const widths = [0, 1, 2, 3].map((i) => Math.max(...all.map((row) => row[i]!.length)));
  return all
    .map((row) => row.map((cell, i) => (i < 2 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join('  '))
    .join('\n');
}
