// What `isotorch score` is given: paths on the command line or line by line on standard input, in batches that are as large
// as what is there already, so that neither a full folder nor a slow producer waits.

import { createInterface } from 'node:readline';

/** The paths in order; `-` stands for standard input, a path a line, which ends on an abort. */
export async function* pathsOf(words: readonly string[], signal: AbortSignal): AsyncGenerator<string> {
  for (const word of words) {
    if (signal.aborted) return;
    if (word !== '-') {
      yield word;
      continue;
    }
    const lines = createInterface({ input: process.stdin, signal, crlfDelay: Number.POSITIVE_INFINITY });
    for await (const line of lines) if (line !== '') yield line;
    process.stdin.destroy();
  }
}

/** How long a batch that is not full waits for the next item. */
const PATIENCE_MS = 20;

/** The items of `source`, at most `size` at a time, fewer where the next one is late. */
export async function* batched<T>(source: AsyncIterator<T>, size: number): AsyncGenerator<T[]> {
  let next = source.next();
  let batch: T[] = [];
  for (;;) {
    const late = batch.length > 0 && (await isLate(next));
    if (late || batch.length === size) {
      yield batch;
      batch = [];
      continue;
    }
    const { done, value } = await next;
    if (done) break;
    batch.push(value);
    next = source.next();
  }
  if (batch.length > 0) yield batch;
}

async function isLate(promise: Promise<unknown>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const patience = new Promise<true>((resolve) => {
    timer = setTimeout(() => resolve(true), PATIENCE_MS);
  });
  try {
    return await Promise.race([promise.then(() => false as const), patience]);
  } finally {
    clearTimeout(timer);
  }
}
