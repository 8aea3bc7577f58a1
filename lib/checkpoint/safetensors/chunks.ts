// How tensors are read from a file: in ranges of a few MiB, of which the next is on its way while one is taken apart. Small
// neighbours share a range; a large tensor has several to itself.

import type { ByteSource } from '../source.js';
import { pieceBytes } from '../tensors.js';
import type { Entry } from './header.js';

export interface Chunk {
  readonly start: number;
  readonly end: number;
  /** Whole ones, or a single one of which this is a part. */
  readonly entries: readonly Entry[];
}

/** @param entries in the order of their data */
export function* chunksOf(entries: readonly Entry[]): Generator<Chunk> {
  for (let i = 0; i < entries.length; ) {
    const first = entries[i] as Entry;
    if (first.end - first.start > pieceBytes) {
      for (let start = first.start; start < first.end; start += pieceBytes)
        yield { start, end: Math.min(start + pieceBytes, first.end), entries: [first] };
      i += 1;
      continue;
    }
    const from = i;
    let { end } = first;
    for (i += 1; i < entries.length; i++) {
      const next = entries[i] as Entry;
      if (next.start !== end || next.end - first.start > pieceBytes) break;
      end = next.end;
    }
    yield { start: first.start, end, entries: entries.slice(from, i) };
  }
}

/** The bytes of each chunk; they are overwritten once the next are asked for. */
export async function* readAhead(
  source: ByteSource,
  chunks: Iterable<Chunk>,
): AsyncGenerator<{ chunk: Chunk; bytes: Uint8Array }> {
  const scratch = [Buffer.alloc(0), Buffer.alloc(0)];
  let turn = 0;
  const begin = (chunk: Chunk) => {
    const length = chunk.end - chunk.start;
    turn = 1 - turn;
    if ((scratch[turn] as Buffer).length < length) scratch[turn] = Buffer.allocUnsafeSlow(length);
    const bytes = source.readRange(chunk.start, length, scratch[turn]);
    bytes.catch(() => {}); // reported when its turn comes, which an earlier error may prevent
    return { chunk, bytes };
  };
  const all = chunks[Symbol.iterator]();
  let coming: ReturnType<typeof begin> | undefined;
  try {
    for (let next = all.next(); !next.done; next = all.next()) {
      const present = coming;
      coming = begin(next.value);
      if (present) yield { chunk: present.chunk, bytes: await present.bytes };
    }
    if (coming) yield { chunk: coming.chunk, bytes: await coming.bytes };
  } finally {
    // Its memory and the file must not go away under a read.
    await coming?.bytes.catch(() => {});
  }
}
