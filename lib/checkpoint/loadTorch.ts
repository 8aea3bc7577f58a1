// `torch.load`, for whatever PyTorch writes: one file, several by their index, or the folder of a distributed checkpoint.

import type { Tensor } from '../tensor/index.js';
import { distributedFolder, loadDistributed } from './distributed.js';
import { kindOf } from './formats.js';
import { OrderedDict } from './pickle/values.js';
import { loadShards, readIndex } from './sharded.js';
import { areBytes, type FileInput, openSource, pathOf } from './source.js';
import { checkOptions, type LoadTorchOptions, loadFrom } from './torchFile.js';

/**
 * Reads a file that any `torch.save` wrote (`torch.load(path, weights_only=True)`): the zip archives of today, the streams of
 * 0.1.10 to 1.5, the tar archives before. Nothing in the file is executed. A dict becomes a Map, in its order and with its keys'
 * types; a list an array; a tuple a frozen array; None null; an int that is not safe a bigint. Tensors that shared memory
 * share it. Checkpoints in several files are read by their index (`pytorch_model.bin.index.json`), distributed ones (DCP) by their
 * folder.
 *
 * @param file a path, or the file's bytes
 * @throws ERR_FILE if it is missing or unreadable; ERR_FORMAT if it is something else, damaged, or holds anything but
 *   tensors and plain values among what is asked for, saying what and at which byte, and how to get at the rest; ERR_ARGUMENT if a
 *   key is missing, or bytes are to be mapped.
 * @example
 * const checkpoint = await loadTorch<Map<string, Tensor>>('model.pth');
 * checkpoint.get('fc.weight')?.shape;
 * @example await loadTorch('large.pth', { mmap: true, keys: ['model'], dtype: 'bfloat16' });
 */
export async function loadTorch<T = unknown>(file: FileInput, options: LoadTorchOptions = {}): Promise<T> {
  checkOptions(options);
  return (await load(file, options)) as T;
}

async function load(file: FileInput, options: LoadTorchOptions): Promise<unknown> {
  const folder = areBytes(file) ? undefined : await distributedFolder(pathOf(file, 'file', 'a path or a Uint8Array'));
  if (folder !== undefined) return await loadDistributed(folder, options);
  const source = await openSource(file);
  try {
    const { path } = source;
    if (path?.endsWith('.json') && (await kindOf(source)) === 'index') return await loadIndexed(path, options);
    return await loadFrom(source, options);
  } finally {
    await source.close();
  }
}

async function loadIndexed(path: string, { keys, ...options }: LoadTorchOptions): Promise<OrderedDict<string, Tensor>> {
  const index = await readIndex(path, 'torch');
  const result = new OrderedDict<string, Tensor>();
  await loadShards(index, keys, result, async (shard, names) => {
    const source = await openSource(shard);
    try {
      return (await loadFrom(source, { ...options, keys: names })) as Map<string, Tensor>;
    } finally {
      await source.close();
    }
  });
  return result;
}
