// Reads a file of a known set and makes sure that it is that file, bit for bit, before anything else looks at it.
import { createHash } from 'node:crypto';
import { IsotorchError } from '../errors.js';
import type { Digest, SourceFile } from '../known/dataSets.js';
import { gunzipIdx, isGzip, readFileBytes } from './idx.js';

/**
 * The unzipped contents of a set's file.
 * @param called what messages call it. @default its path
 * @throws ERR_FILE when it can't be read; ERR_FORMAT when it is another file than the published one, or damaged
 */
export async function readVerified(path: string, file: SourceFile, called = path): Promise<Uint8Array> {
  const bytes = await readFileBytes(path);
  const zipped = isGzip(bytes);
  const asPublished = zipped && matches(bytes, file.gzip);
  if (!asPublished && !file.content) {
    const received = zipped ? `${algorithm(file.gzip)}:${digest(bytes, file.gzip)}` : 'a file that is not gzipped';
    throw new IsotorchError(
      'ERR_FORMAT',
      `${called}: expected ${file.name}.gz as published (${file.gzip}), received ${received}; ${advice}`,
    );
  }
  const content = zipped ? await gunzipIdx(bytes, called) : bytes;
  if (!asPublished && file.content && !matches(content, file.content)) {
    throw new IsotorchError(
      'ERR_FORMAT',
      `${called}: expected the contents of ${file.name} (${file.content}), received sha256:${digest(content, file.content)}; ${advice}`,
    );
  }
  return content;
}

const advice = 'it is damaged or belongs to another data set. Replace or remove it.';

const algorithm = (expected: Digest): string => expected.slice(0, expected.indexOf(':'));
const digest = (bytes: Uint8Array, expected: Digest): string =>
  createHash(algorithm(expected)).update(bytes).digest('hex');
const matches = (bytes: Uint8Array, expected: Digest): boolean =>
  `${algorithm(expected)}:${digest(bytes, expected)}` === expected;
