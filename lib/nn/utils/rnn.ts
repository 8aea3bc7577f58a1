// Sequences of different lengths (`torch.nn.utils.rnn`): padded to one tensor, or packed without padding, step by step of
// time, as the recurrent layers take them.

import { expected, IsotorchError } from '../../errors.js';
import { Tensor, torch } from '../../tensor/index.js';
import { flag, wholeNumber } from '../arguments.js';

/**
 * Several sequences in one tensor without padding (`torch.nn.utils.rnn.PackedSequence`): first the first element of each,
 * longest sequence first, then the second of each that has one, and so on. Made by `packPaddedSequence` and `packSequence`.
 */
export class PackedSequence {
  /** The elements, [sum of lengths, *]. */
  readonly data: Tensor;
  /** How many sequences reach each step of time, int64 on the CPU. */
  readonly batchSizes: Tensor;
  /** Where each sequence here stood before; null where they were in order. */
  readonly sortedIndices: Tensor | null;
  /** Where each sequence of before stands here. */
  readonly unsortedIndices: Tensor | null;
  #sequences: number | undefined;

  /** @param sequences how many there are, where that is known: else the first batch size is read when it is asked for. */
  constructor(
    data: Tensor,
    batchSizes: Tensor,
    sortedIndices: Tensor | null = null,
    unsortedIndices: Tensor | null = null,
    sequences: number | undefined = sortedIndices?.numel(),
  ) {
    if (!(data instanceof Tensor)) throw expected('a Tensor', 'data', data);
    if (!(batchSizes instanceof Tensor)) throw expected('a Tensor', 'batchSizes', batchSizes);
    if (batchSizes.device !== 'cpu') throw expected('a Tensor on the CPU', 'batchSizes', batchSizes, 'ERR_DEVICE');
    this.data = data;
    this.batchSizes = batchSizes;
    this.sortedIndices = sortedIndices;
    this.unsortedIndices = unsortedIndices ?? invertPermutation(sortedIndices);
    this.#sequences = sequences;
  }

  /** How many sequences there are. */
  get length(): number {
    this.#sequences ??= Number(this.batchSizes.select(0, 0).item());
    return this.#sequences;
  }

  /** The same sequences with other elements, such as what a layer computed of them. */
  with(data: Tensor): PackedSequence {
    return new PackedSequence(data, this.batchSizes, this.sortedIndices, this.unsortedIndices, this.#sequences);
  }

  /** With its elements on another device or of another dtype; the batch sizes stay on the CPU. */
  to(...target: Parameters<Tensor['to']>): PackedSequence {
    const data = this.data.to(...target);
    if (data === this.data) return this;
    const move = (indices: Tensor | null) => indices?.to(data.device) ?? null;
    return new PackedSequence(data, this.batchSizes, move(this.sortedIndices), move(this.unsortedIndices), this.length);
  }
}

/** The permutation that undoes `permutation`; null gives null. */
export function invertPermutation(permutation: Tensor): Tensor;
export function invertPermutation(permutation: Tensor | null): Tensor | null;
export function invertPermutation(permutation: Tensor | null): Tensor | null {
  if (permutation === null) return null;
  const places = torch.arange(permutation.numel(), { dtype: 'int64', device: permutation.device });
  return torch.emptyLike(permutation).scatter_(0, permutation, places);
}

const batchDimension = (batchFirst: boolean): 0 | 1 => (flag(batchFirst, 'batchFirst') ? 0 : 1);

function lengthsTensor(lengths: Tensor | readonly number[]): Tensor {
  if (lengths instanceof Tensor) return lengths.to('int64');
  if (!Array.isArray(lengths)) throw expected('an array of lengths or a Tensor', 'lengths', lengths);
  return torch.tensor(
    lengths.map((length, i) => wholeNumber(length, `lengths[${i}]`)),
    { dtype: 'int64' },
  );
}

export interface PackOptions {
  /** Whether the input is [N, T, *] instead of [T, N, *]. @default false */
  batchFirst?: boolean;
  /** Whether the sequences come longest first; with false they are sorted here. @default true */
  enforceSorted?: boolean;
}

/**
 * Padded sequences [T, N, *] without their padding (`torch.nn.utils.rnn.pack_padded_sequence`).
 * @param lengths of each sequence, 1 or more; on the CPU if a tensor.
 * @throws ERR_LIBTORCH for lengths of 0, or in another order with `enforceSorted`.
 * @example packPaddedSequence(batch, [3, 5, 2], { batchFirst: true, enforceSorted: false });
 */
export function packPaddedSequence(
  input: Tensor,
  lengths: Tensor | readonly number[],
  { batchFirst = false, enforceSorted = true }: PackOptions = {},
): PackedSequence {
  if (!(input instanceof Tensor)) throw expected('a Tensor', 'input', input);
  if (input.ndim < 2) throw expected('a Tensor of two dimensions or more', 'input', input, 'ERR_SHAPE');
  const dim = batchDimension(batchFirst);
  const count = input.shape[dim]!;
  const asGiven = lengthsTensor(lengths);
  if (flag(enforceSorted, 'enforceSorted')) {
    const [data, batchSizes] = torch._packPaddedSequence(input, asGiven, batchFirst);
    return new PackedSequence(data, batchSizes, null, null, count); // no sequence is empty: all reach the first step
  }
  const { values, indices } = torch.sort(asGiven, -1, true);
  const order = indices.to(input.device);
  const [data, batchSizes] = torch._packPaddedSequence(input.indexSelect(dim, order), values, batchFirst);
  return new PackedSequence(data, batchSizes, order, null, count);
}

export interface PadPackedOptions {
  /** Whether the result is [N, T, *] instead of [T, N, *]. @default false */
  batchFirst?: boolean;
  /** @default 0 */
  paddingValue?: number;
  /** Pads to this length instead of the longest sequence's. */
  totalLength?: number;
}

/**
 * The padded sequences of a packed one, in their first order, and their lengths (int64, on the CPU)
 * (`torch.nn.utils.rnn.pad_packed_sequence`).
 * @throws ERR_SHAPE where `totalLength` is less than the longest sequence's.
 */
export function padPackedSequence(
  sequence: PackedSequence,
  { batchFirst = false, paddingValue = 0, totalLength }: PadPackedOptions = {},
): [padded: Tensor, lengths: Tensor] {
  if (!(sequence instanceof PackedSequence)) throw expected('a PackedSequence', 'sequence', sequence);
  const longest = sequence.batchSizes.shape[0]!;
  if (totalLength !== undefined && wholeNumber(totalLength, 'totalLength') < longest)
    throw expected(`at least the longest sequence's length, ${longest},`, 'totalLength', totalLength, 'ERR_SHAPE');
  const dim = batchDimension(batchFirst);
  const { data, batchSizes, unsortedIndices } = sequence;
  const [padded, lengths] = torch._padPackedSequence(
    data,
    batchSizes,
    batchFirst,
    paddingValue,
    totalLength ?? longest,
  );
  if (unsortedIndices === null) return [padded, lengths];
  return [padded.indexSelect(dim, unsortedIndices), lengths.indexSelect(0, unsortedIndices.to('cpu'))];
}

export interface PadOptions {
  /** Whether the result is [N, T, *] instead of [T, N, *]. @default false */
  batchFirst?: boolean;
  /** @default 0 */
  paddingValue?: number;
  /** Where the padding stands. @default 'right' */
  paddingSide?: 'left' | 'right';
}

/**
 * Sequences [L, *] of different lengths stacked to [T, N, *] (`torch.nn.utils.rnn.pad_sequence`).
 * @example padSequence([torch.ones([3]), torch.ones([5])], { batchFirst: true }).shape; // [2, 5]
 */
export function padSequence(
  sequences: readonly Tensor[],
  { batchFirst = false, paddingValue = 0, paddingSide = 'right' }: PadOptions = {},
): Tensor {
  if (paddingSide !== 'left' && paddingSide !== 'right')
    throw expected("'left' or 'right'", 'paddingSide', paddingSide);
  return torch.padSequence(sequences, flag(batchFirst, 'batchFirst'), paddingValue, paddingSide);
}

/** The sequences of a padded tensor [T, N, *], each of its length (`torch.nn.utils.rnn.unpad_sequence`). */
export function unpadSequence(
  padded: Tensor,
  lengths: Tensor | readonly number[],
  { batchFirst = false }: { batchFirst?: boolean } = {},
): Tensor[] {
  if (!(padded instanceof Tensor)) throw expected('a Tensor', 'padded', padded);
  const sizes = lengths instanceof Tensor ? (lengths.tolist() as number[]) : lengths;
  const sequences = padded.unbind(batchDimension(batchFirst));
  if (sizes.length !== sequences.length)
    throw new IsotorchError(
      'ERR_SHAPE',
      `Expected a length for each of ${sequences.length} sequences but received ${sizes.length}`,
    );
  return sequences.map((sequence, i) => sequence.narrow(0, 0, sizes[i]!));
}

/** Sequences [L, *] packed (`torch.nn.utils.rnn.pack_sequence`). */
export function packSequence(
  sequences: readonly Tensor[],
  { enforceSorted = true }: { enforceSorted?: boolean } = {},
): PackedSequence {
  const lengths = sequences.map(({ shape }) => shape[0]!);
  return packPaddedSequence(padSequence(sequences), lengths, { enforceSorted });
}

/** The sequences of a packed one (`torch.nn.utils.rnn.unpack_sequence`). */
export function unpackSequence(sequence: PackedSequence): Tensor[] {
  const [padded, lengths] = padPackedSequence(sequence, { batchFirst: true });
  return unpadSequence(padded, lengths, { batchFirst: true });
}
