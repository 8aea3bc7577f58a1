// A checkpoint of any format, by its bytes: for those who take whatever comes.

import { distributedFolder } from './distributed.js';
import { formatOf, kindOf } from './formats.js';
import { loadTorch } from './loadTorch.js';
import { loadSafetensors } from './safetensors/load.js';
import { readIndex } from './sharded.js';
import { areBytes, type FileInput, openSource, type PathInput, pathOf } from './source.js';
import type { LoadTorchOptions } from './torchFile.js';

/** Whether it is one file, or several: by an index, or in a distributed checkpoint's folder. */
export async function filesOf(file: FileInput): Promise<'one' | 'index' | 'distributed'> {
  if (areBytes(file)) return 'one';
  const path = pathOf(file, 'file', 'a path or a Uint8Array');
  if ((await distributedFolder(path)) !== undefined) return 'distributed';
  const source = await openSource(path);
  try {
    return (await kindOf(source)) === 'index' ? 'index' : 'one';
  } finally {
    await source.close();
  }
}

/** @throws as the format's own loader */
export async function loadAny(
  file: FileInput,
  options: LoadTorchOptions & { keys?: readonly string[] } = {},
): Promise<unknown> {
  const files = await filesOf(file);
  const isSafetensors =
    files === 'index' ? await namesSafetensors(file as PathInput) : files === 'one' && (await isOne(file));
  return isSafetensors ? await loadSafetensors(file, options) : await loadTorch(file, options);
}

const namesSafetensors = async (index: PathInput): Promise<boolean> =>
  await readIndex(index, 'safetensors').then(
    () => true,
    () => false,
  );

async function isOne(file: FileInput): Promise<boolean> {
  const source = await openSource(file);
  try {
    return (await formatOf(source)) === 'safetensors';
  } finally {
    await source.close();
  }
}
