// Hashes of contents, by which extracted arrays are known: of weights, of files, and of how images were prepared. What is
// hashed is what matters to the numbers that come out, so equal contents have equal hashes wherever they lie.

import { createHash } from 'node:crypto';
import { setImmediate as turn } from 'node:timers/promises';
import { types } from 'node:util';
import { openSource } from '../../checkpoint/source.js';
import { describe, expected, IsotorchError } from '../../errors.js';
import { isPlainObject } from '../../plainObject.js';
import { Tensor } from '../../tensor/index.js';
import { snapshotsOf } from '../../tensor/snapshot.js';

type Tensors = ReadonlyMap<string, Tensor> | Readonly<Record<string, Tensor>>;

/** Hashed between two turns for the event loop: about 2 ms. */
const pieceBytes = 1 << 20;

/**
 * sha256, in hex, of tensors: their names, dtypes, shapes and values. The order of the names, strides and devices don't
 * matter. In pieces, so a large state dict takes no memory and doesn't hold the event loop. Hashed is what is there at the call.
 *
 * @throws ERR_ARGUMENT for what is no tensor; ERR_TENSOR_DISPOSED
 * @example await ood.hashTensors(model.stateDict()); // '5f0c…'
 */
export async function hashTensors(tensors: Tensors): Promise<string> {
  const entries = types.isMap(tensors) ? [...tensors] : Object.entries(tensors ?? {});
  entries.sort(([a], [b]) => (a < b ? -1 : 1));
  const lines = entries.map(([name, tensor]) => {
    const where = `tensors[${JSON.stringify(name)}]`;
    if (!(tensor instanceof Tensor)) throw expected('a Tensor', where, tensor);
    if (tensor.isDisposed)
      throw new IsotorchError('ERR_TENSOR_DISPOSED', `Expected a live tensor for ${where} but it was disposed`);
    return `${JSON.stringify([name, tensor.dtype, tensor.shape])}\n`;
  });
  using values = snapshotsOf(entries.map(([, tensor]) => tensor));
  const hash = createHash('sha256');
  let sinceTurn = 0;
  for (const [i, line] of lines.entries()) {
    // It says how many bytes follow, so no two dicts give the same stream.
    hash.update(line);
    for await (const piece of values[i]!.pieces(pieceBytes)) {
      hash.update(piece);
      sinceTurn += piece.length;
      if (sinceTurn < pieceBytes) continue;
      await turn();
      sinceTurn = 0;
    }
  }
  return hash.digest('hex');
}

/**
 * sha256, in hex, of a file's bytes, read in pieces.
 * @throws ERR_FILE
 * @example await ood.hashFile('test-images.npy');
 */
export async function hashFile(path: string): Promise<string> {
  const source = await openSource(path);
  try {
    const hash = createHash('sha256');
    const scratch = Buffer.allocUnsafeSlow(Math.min(pieceBytes, source.size));
    for (let at = 0; at < source.size; at += pieceBytes)
      hash.update(await source.readRange(at, Math.min(pieceBytes, source.size - at), scratch));
    return hash.digest('hex');
  } finally {
    await source.close();
  }
}

/** What decides the arrays of a data set. */
export interface ArraysContent {
  /** The network: its state dict, or a hash of one. */
  weights: Tensors | string;
  /** The images: a hash, such as `hashFile` gives, or a `data.ImageDataset`, whose pixels and labels are hashed. */
  data: string | { hashContent(): Promise<string> };
  /**
   * Everything else, as JSON: the architecture where the weights don't tell it, the statistics of the normalisation, a crop,
   * a temperature, the precision. What is left out here must not change the numbers.
   */
  transform: unknown;
}

/** Changes when the meaning of an entry does, so that older ones are no longer found. */
const version = 'isotorch arrays 1';

/**
 * The key of arrays in an `ArrayCache`: sha256, in hex, of the three contents that decide them.
 *
 * @throws ERR_ARGUMENT for a transform that JSON can't hold (functions, NaN, tensors), with its place
 * @example
 * const transform = { model: 'resnet18', normalize: train.statistics };
 * const key = await ood.arraysKey({ weights: model.stateDict(), data: test, transform });
 */
export async function arraysKey({ weights, data, transform }: ArraysContent): Promise<string> {
  const hashes = await Promise.all([
    typeof weights === 'string' ? weights : hashTensors(weights),
    typeof data === 'string' ? data : data?.hashContent?.(),
  ]);
  const parts = [version, ...hashes, canonicalJson(transform, 'transform')];
  for (const [i, part] of parts.entries())
    if (typeof part !== 'string' || part === '')
      throw expected('a hash', ['version', 'weights', 'data', 'transform'][i] as string, part);
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex');
}

/** JSON with sorted keys: equal values give equal text. A key whose value is undefined counts as left out. */
function canonicalJson(value: unknown, where: string): string {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return JSON.stringify(value);
  if (typeof value === 'number' && Number.isFinite(value)) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map((item, i) => canonicalJson(item, `${where}[${i}]`)).join(',')}]`;
  if (isPlainObject(value)) {
    const entries = Object.entries(value).filter(([, item]) => item !== undefined);
    const texts = entries
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, item]) => `${JSON.stringify(key)}:${canonicalJson(item, `${where}.${key}`)}`);
    return `{${texts.join(',')}}`;
  }
  throw new IsotorchError('ERR_ARGUMENT', `Expected what JSON can hold for ${where} but received ${describe(value)}`);
}
