// All tensors of a safetensors file, or of the files that an index names.

import { kindOf } from '../formats.js';
import { loadShards, readIndex } from '../sharded.js';
import { areBytes, type FileInput, openSource, type PathInput } from '../source.js';
import { type LoadSafetensorsOptions, openSafetensors, SafetensorsDict } from './reader.js';

/**
 * Reads a safetensors file (`safetensors.torch.load_file`), or a checkpoint in several of them by its index
 * (`model.safetensors.index.json`), which lie beside it.
 *
 * @param file a path, or the file's bytes
 * @returns a Map of tensors that `module.loadStateDict` takes, with `metadata`
 * @throws ERR_FILE if it is missing or unreadable; ERR_FORMAT if it breaks any rule of the format, naming it, or is something
 *   else, which is named; ERR_DTYPE for dtypes below a byte (F4, F6); ERR_ARGUMENT for `keys` that it doesn't have, and for `mmap`
 *   of bytes.
 * @example net.loadStateDict(await loadSafetensors('model.safetensors'));
 */
export async function loadSafetensors(file: FileInput, options: LoadSafetensorsOptions = {}): Promise<SafetensorsDict> {
  if (await isIndex(file)) return await loadIndexed(file as PathInput, options);
  const opened = await openSafetensors(file, options);
  try {
    return await opened.load(options.keys, options);
  } finally {
    await opened.close();
  }
}

async function isIndex(file: FileInput): Promise<boolean> {
  if (areBytes(file)) return false;
  const source = await openSource(file);
  try {
    return (await kindOf(source)) === 'index';
  } finally {
    await source.close();
  }
}

async function loadIndexed(path: PathInput, { keys, ...options }: LoadSafetensorsOptions): Promise<SafetensorsDict> {
  const index = await readIndex(path, 'safetensors');
  const result = new SafetensorsDict();
  await loadShards(index, keys, result, async (shard, names) => {
    const opened = await openSafetensors(shard, options);
    try {
      const loaded = await opened.load(index.held(opened.keys, shard, names), options);
      if (result.metadata.size === 0) result.metadata = loaded.metadata;
      return loaded;
    } finally {
      await opened.close();
    }
  });
  return result;
}
