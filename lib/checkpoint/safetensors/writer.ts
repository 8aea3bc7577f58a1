// Writes safetensors files, byte for byte as the Rust and Python packages do: sorted by dtype, the largest alignment first, and
// by name; a header padded to 8 bytes. So the data of every dtype lie at a multiple of its size and can be mapped.

import { types } from 'node:util';
import { expected, IsotorchError } from '../../errors.js';
import { Tensor } from '../../tensor/index.js';
import { snapshotsOf } from '../../tensor/snapshot.js';
import { writeBytes, writeFileAtomically } from '../atomicFile.js';
import type { PathInput } from '../source.js';
import { type Stored, storedFor } from './dtypes.js';
import { metadataKey, writeHeader } from './header.js';
import { SafetensorsDict } from './reader.js';
import { firstShared } from './shared.js';

type Texts = ReadonlyMap<string, string> | Readonly<Record<string, string>>;

export interface SaveSafetensorsOptions {
  /** Texts for the header. Default: those that came with a map of `loadSafetensors`, else none. */
  metadata?: Texts;
  /**
   * What to do with tensors that share memory, such as tied weights, which the format can't express: `'refuse'` them with an
   * error, as Python's package does, or `'copy'`, which saves the values under each name. Default `'refuse'`.
   */
  shared?: 'refuse' | 'copy';
}

interface Planned {
  readonly name: string;
  readonly tensor: Tensor;
  readonly stored: Stored;
  readonly rank: number;
  readonly shape: readonly number[];
  readonly nbytes: number;
}

/**
 * Writes tensors as a safetensors file (`safetensors.torch.save_file`). Equal tensors give equal bytes, whatever their order;
 * views are written as the contiguous tensors that they look like; Parameters as plain tensors.
 *
 * The file appears whole or not at all, and shows the values at the call: what is written to a tensor meanwhile makes it be
 * copied first. Otherwise the memory needed beside them is a few MiB, and that of the tensors that are not contiguous.
 *
 * @throws ERR_ARGUMENT for values that are no tensors and names that are no text, naming them, and for two tensors that share
 *   memory; ERR_DTYPE for dtypes that the format doesn't have (complex128, quantised …); ERR_FILE if it can't be written.
 * @example await saveSafetensors('model.safetensors', model.stateDict(), { metadata: { format: 'pt' } });
 */
export async function saveSafetensors(
  path: PathInput,
  tensors: ReadonlyMap<string, Tensor> | Readonly<Record<string, Tensor>>,
  { metadata, shared = 'refuse' }: SaveSafetensorsOptions = {},
): Promise<void> {
  if (shared !== 'refuse' && shared !== 'copy') throw expected("'refuse' or 'copy'", 'shared', shared);
  const planned = entriesOf(tensors, 'tensors').map(([name, tensor]) => plan(name, tensor));
  const pair = firstShared(planned);
  if (pair && shared === 'refuse') {
    const [one, other] = pair.map((name) => JSON.stringify(name));
    throw new IsotorchError(
      'ERR_ARGUMENT',
      `The tensors ${one} and ${other} share memory, which a safetensors file can’t express. Leave one of them out and tie ` +
        "them again after loading, or save the values under both names with { shared: 'copy' }",
    );
  }
  planned.sort((a, b) => b.rank - a.rank || Buffer.compare(Buffer.from(a.name), Buffer.from(b.name)));
  const texts = metadata ?? (tensors instanceof SafetensorsDict ? tensors.metadata : new Map<string, string>());
  const header = writeHeader(planned, textsOf(texts));
  using values = snapshotsOf(planned.map(({ tensor }) => tensor));
  await writeFileAtomically(path, async (sink) => {
    await sink.write(header);
    for (const bytes of values) await writeBytes(sink, bytes);
  });
}

function entriesOf(object: unknown, name: string): [string, unknown][] {
  if (types.isMap(object)) return [...object] as [string, unknown][];
  if (typeof object !== 'object' || object === null || Array.isArray(object) || object instanceof Tensor)
    throw expected('a Map or an object', name, object);
  return Object.entries(object);
}

/** Half of a surrogate pair is no character, and UTF-8 can't hold it. */
const isText = (value: unknown): value is string =>
  typeof value === 'string' && Buffer.from(value).toString() === value;

const disposed = (name: string) =>
  new IsotorchError('ERR_TENSOR_DISPOSED', `Expected a live tensor for ${JSON.stringify(name)} but it was disposed`);

function plan(name: unknown, tensor: unknown): Planned {
  if (!isText(name)) throw expected('text', 'a name in tensors', name);
  if (name === metadataKey) throw expected(`another name than ${metadataKey}`, 'a tensor', name);
  const where = `tensors[${JSON.stringify(name)}]`;
  if (!(tensor instanceof Tensor)) throw expected('a Tensor', where, tensor);
  if (tensor.isDisposed) throw disposed(name);
  const { dtype, shape } = tensor;
  const known = storedFor(dtype);
  if (!known) throw expected('a dtype that safetensors has', where, dtype, 'ERR_DTYPE');
  const { stored, rank } = known;
  return { name, tensor, stored, rank, shape, nbytes: (tensor.numel() * stored.bits) / 8 };
}

function textsOf(metadata: unknown): ReadonlyMap<string, string> {
  const texts = entriesOf(metadata, 'metadata');
  for (const [key, value] of texts) {
    if (!isText(key)) throw expected('text', 'a key of metadata', key);
    if (!isText(value)) throw expected('text', `metadata[${JSON.stringify(key)}]`, value);
  }
  return new Map(texts as [string, string][]);
}
