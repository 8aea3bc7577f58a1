// The file of a program, before LibTorch is given it: LibTorch's own message of a wrong one says nothing of what it is.

import { expectKind } from '../checkpoint/formats.js';
import { openSource, type PathInput, pathOf } from '../checkpoint/source.js';

const words = { script: 'a TorchScript model', package: 'a compiled package (.pt2)' } as const;

/**
 * The path.
 * @throws ERR_FILE if it is missing or unreadable; ERR_FORMAT if it is known to be something else, naming the call that reads it
 */
export async function programFile(file: PathInput, kind: keyof typeof words): Promise<string> {
  const path = pathOf(file, 'path');
  const source = await openSource(path);
  try {
    await expectKind(source, words[kind], kind);
    return path;
  } finally {
    await source.close();
  }
}
