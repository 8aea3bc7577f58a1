// One file from one address. It is written beside its place under another name; the caller verifies it and renames it,
// so that a file under its own name is always whole.
import { createWriteStream } from 'node:fs';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { types } from 'node:util';
import { IsotorchError } from '../errors.js';

export interface DownloadOptions {
  /** Gives up when nothing arrives for so long, in milliseconds. @default 20,000 */
  idleTimeout?: number;
  /** Refuses more bytes than this. @default 256 MiB */
  maxBytes?: number;
}

/**
 * Fetches `address` into the new file `path`.
 * @throws ERR_FILE, saying why, when the server can't be reached, refuses, stops in the middle or sends too much
 */
export async function download(
  address: string,
  path: string,
  { idleTimeout = 20_000, maxBytes = 256 * 2 ** 20 }: DownloadOptions = {},
): Promise<void> {
  const abort = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const alive = () => {
    clearTimeout(timer);
    timer = setTimeout(() => abort.abort(new Error(`nothing arrived for ${idleTimeout / 1000} s`)), idleTimeout);
  };
  alive();
  try {
    const response = await fetch(address, { signal: abort.signal });
    if (!response.ok || !response.body)
      throw new Error(`the server answered ${response.status} ${response.statusText}`);
    let received = 0;
    const watch = new Transform({
      transform(chunk: Uint8Array, _encoding, done) {
        alive();
        received += chunk.length;
        if (received > maxBytes) done(new Error(`more than ${maxBytes} bytes came`));
        else done(null, chunk);
      },
    });
    await pipeline(Readable.fromWeb(response.body), watch, createWriteStream(path, { flags: 'wx' }), {
      signal: abort.signal,
    });
  } catch (error) {
    throw new IsotorchError('ERR_FILE', `${address}: ${reason(abort.signal.aborted ? abort.signal.reason : error)}`, {
      cause: error,
    });
  } finally {
    clearTimeout(timer);
  }
}

/** fetch hides the system's word ("ENOTFOUND …") in the cause. */
function reason(error: unknown): string {
  if (!types.isNativeError(error)) return String(error);
  return types.isNativeError(error.cause) ? error.cause.message || error.message : error.message;
}
