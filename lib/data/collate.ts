// From examples to a batch: stacked where they are alike, padded where they are sequences of different lengths.

import { wholeNumber } from '../arguments.js';
import { expected, IsotorchError } from '../errors.js';
import { Tensor, tidy, torch } from '../tensor/index.js';

/** A batch as a data set of one's own gives it. A plain object, so that a captured step can take it. */
export type CollatedBatch = {
  /** What the model's `forward` is given: one tensor, or several. The first dimension is the batch's. */
  readonly inputs: Tensor | readonly Tensor[];
  /** What the criterion is given; null where that is the inputs. */
  readonly labels: Tensor | null;
};

export type Collate<Example> = (examples: readonly Example[]) => CollatedBatch;

/** What an example is made of, unless you write a `collate`. */
export type Pair = readonly [input: Tensor, label: Tensor | number];

/**
 * Stacks pairs of an input and a label (`torch.utils.data.default_collate`): numbers become int64 where all are whole, else float32.
 * @throws ERR_ARGUMENT for examples of another kind; ERR_SHAPE where shapes differ
 */
export function collate(examples: readonly Pair[]): CollatedBatch {
  return tidy(() => {
    const inputs = examples.map((example, i) => pairOf(example, i)[0]);
    return { inputs: stacked(inputs), labels: labelsOf(examples, inputs[0]!) };
  });
}

export interface PadOptions {
  /** What stands where a sequence is over. @default 0 */
  paddingValue?: number;
  /** Lengths are rounded up to a multiple, so that fewer forms of batches come and captured steps record less often. @default 1 */
  multipleOf?: number;
  /** For labels that are sequences too, such as a tag a token: what they are padded with, as criterions' `ignoreIndex`. @default labels are alike */
  labelPadding?: number;
}

/**
 * A collate function for pairs of a sequence and a label: sequences [T, …] become one tensor [B, longest, …], padded at the end,
 * and their lengths come with it, int64 [B]; the model's `forward` is given both.
 * @throws ERR_ARGUMENT for settings out of range, and examples of another kind
 * @example await training.fit({ model, criterion, train: reviews, collate: data.padCollate({ multipleOf: 16 }) });
 */
export function padCollate({ paddingValue = 0, multipleOf = 1, labelPadding }: PadOptions = {}): Collate<Pair> {
  if (typeof paddingValue !== 'number') throw expected('a number', 'paddingValue', paddingValue);
  wholeNumber(multipleOf, 'multipleOf');
  return (examples) =>
    tidy(() => {
      const sequences = examples.map((example, i) => pairOf(example, i)[0]);
      if (sequences.some(({ ndim }) => ndim === 0))
        throw new IsotorchError('ERR_SHAPE', 'padCollate: expected sequences [T, …], received a scalar');
      const lengths = sequences.map(({ shape }) => shape[0]!);
      const longest = Math.max(1, Math.ceil(Math.max(...lengths) / multipleOf) * multipleOf);
      const labels = examples.map(([, label]) => label);
      return {
        inputs: [
          padded(sequences, longest, paddingValue),
          torch.tensor(lengths, { dtype: 'int64', device: sequences[0]!.device }),
        ],
        labels:
          labelPadding === undefined
            ? labelsOf(examples, sequences[0]!)
            : padded(labels.map(sequenceOf), longest, labelPadding),
      };
    });
}

function pairOf(example: Pair, index: number): Pair {
  if (Array.isArray(example) && example.length === 2 && example[0] instanceof Tensor) return example as Pair;
  throw expected('a pair [input Tensor, label]; give a collate function for others', `example ${index}`, example);
}

function sequenceOf(label: Tensor | number, index: number): Tensor {
  if (label instanceof Tensor && label.ndim > 0) return label;
  throw expected('a sequence, as labelPadding is given', `label ${index}`, label);
}

function labelsOf(examples: readonly Pair[], like: Tensor): Tensor {
  const labels = examples.map(([, label]) => label);
  if (labels.every((label): label is Tensor => label instanceof Tensor)) return stacked(labels);
  const numbers = labels.map((label, i) => {
    if (typeof label === 'number') return label;
    throw expected('a number, as the other labels are', `label ${i}`, label);
  });
  const dtype = numbers.every(Number.isInteger) ? 'int64' : 'float32';
  return torch.tensor(numbers, { dtype, device: like.device });
}

function stacked(tensors: readonly Tensor[]): Tensor {
  const other = tensors.find(({ shape }) => shape.join() !== tensors[0]!.shape.join());
  if (other)
    throw new IsotorchError(
      'ERR_SHAPE',
      `collate: expected examples of one shape, received [${tensors[0]!.shape.join(', ')}] and [${other.shape.join(', ')}]. ` +
        'For sequences of different lengths there is data.padCollate()',
    );
  return torch.stack([...tensors]);
}

function padded(sequences: readonly Tensor[], longest: number, value: number): Tensor {
  const [first] = sequences;
  const whole = torch.full([sequences.length, longest, ...first!.shape.slice(1)], value, {
    dtype: first!.dtype,
    device: first!.device,
  });
  for (const [i, sequence] of sequences.entries()) whole.select(0, i).narrow(0, 0, sequence.shape[0]!).copy_(sequence);
  return whole;
}
