// IDX files: whatever is written comes back, and whatever is wrong with a file is said and harms nothing.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { gunzipIdx, type IdxType, type IdxValues, parseIdx, readIdx } from '../lib/data/idx.js';
import { IsotorchError } from '../lib/errors.js';

const folder = mkdtempSync(join(tmpdir(), 'isotorch-idx-'));
afterAll(() => rmSync(folder, { recursive: true }));

const codes: Record<IdxType, number> = { uint8: 8, int8: 9, int16: 11, int32: 12, float32: 13, float64: 14 };
const makers: Record<IdxType, (values: number[]) => IdxValues> = {
  uint8: (v) => Uint8Array.from(v),
  int8: (v) => Int8Array.from(v),
  int16: (v) => Int16Array.from(v),
  int32: (v) => Int32Array.from(v),
  float32: (v) => Float32Array.from(v),
  float64: (v) => Float64Array.from(v),
};

/** An IDX writer after the format's description, through DataView and so independent of this machine's byte order. */
function writeIdx(dtype: IdxType, shape: readonly number[], data: IdxValues): Uint8Array {
  const bytes = new Uint8Array(4 + 4 * shape.length + data.byteLength);
  const view = new DataView(bytes.buffer);
  bytes[2] = codes[dtype];
  bytes[3] = shape.length;
  shape.forEach((size, i) => {
    view.setUint32(4 + 4 * i, size);
  });
  const start = 4 + 4 * shape.length;
  data.forEach((value: number, i: number) => {
    if (dtype === 'uint8') view.setUint8(start + i, value);
    else if (dtype === 'int8') view.setInt8(start + i, value);
    else if (dtype === 'int16') view.setInt16(start + 2 * i, value);
    else if (dtype === 'int32') view.setInt32(start + 4 * i, value);
    else if (dtype === 'float32') view.setFloat32(start + 4 * i, value);
    else view.setFloat64(start + 8 * i, value);
  });
  return bytes;
}

const anyIdx = fc
  .record({
    dtype: fc.constantFrom(...(Object.keys(codes) as IdxType[])),
    shape: fc.array(fc.integer({ min: 0, max: 5 }), { minLength: 1, maxLength: 4 }),
  })
  .chain(({ dtype, shape }) => {
    const n = shape.reduce((product, size) => product * size, 1);
    const value = dtype.startsWith('float')
      ? fc.double({ noNaN: false })
      : fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
    return fc
      .array(value, { minLength: n, maxLength: n })
      .map((values) => ({ dtype, shape, data: makers[dtype](values) }));
  });

/** The error that `fn` ends in. */
async function failure(fn: () => unknown): Promise<IsotorchError> {
  try {
    await fn();
  } catch (error) {
    expect(error).toBeInstanceOf(IsotorchError);
    return error as IsotorchError;
  }
  throw new Error('no error was thrown');
}

const plain = writeIdx('uint8', [2, 3], Uint8Array.of(1, 2, 3, 4, 5, 6));

describe('reading what was written', () => {
  it('gives back any array of any element type, plain', () => {
    fc.assert(
      fc.property(anyIdx, ({ dtype, shape, data }) => {
        expect(parseIdx(writeIdx(dtype, shape, data))).toEqual({ dtype, shape, data });
      }),
    );
  });

  it('gives back any array of any element type, gzipped', async () => {
    await fc.assert(
      fc.asyncProperty(anyIdx, async ({ dtype, shape, data }) => {
        expect(parseIdx(await gunzipIdx(gzipSync(writeIdx(dtype, shape, data))))).toEqual({ dtype, shape, data });
      }),
      { numRuns: 50 },
    );
  });

  it('reads files by their content, not by their name', async () => {
    writeFileSync(join(folder, 'plain.gz'), plain);
    writeFileSync(join(folder, 'zipped'), gzipSync(plain));
    const wanted = { dtype: 'uint8', shape: [2, 3], data: Uint8Array.of(1, 2, 3, 4, 5, 6) };
    const first = await readIdx(join(folder, 'plain.gz'));
    expect({ ...first, data: Uint8Array.from(first.data) }).toEqual(wanted);
    expect(await readIdx(join(folder, 'zipped'))).toEqual(wanted);
  });

  it('reads from the middle of a larger buffer, unaligned', () => {
    const idx = writeIdx('float64', [2], Float64Array.of(Math.PI, -1e300));
    const larger = new Uint8Array(idx.length + 3);
    larger.set(idx, 3);
    expect(parseIdx(larger.subarray(3)).data).toEqual(Float64Array.of(Math.PI, -1e300));
  });

  it('unzips many chunks, and gzip in several members', async () => {
    const big = writeIdx(
      'uint8',
      [1000, 1000],
      new Uint8Array(1_000_000).map((_, i) => (i * i) >> 3),
    );
    expect(Buffer.compare(await gunzipIdx(gzipSync(big)), big)).toBe(0);
    const members = Buffer.concat([gzipSync(big.subarray(0, 7)), gzipSync(big.subarray(7))]);
    expect(Buffer.compare(await gunzipIdx(members), big)).toBe(0);
  });
});

describe('hostile files', () => {
  it('every cut of a file is refused, plain and gzipped', async () => {
    const zipped = gzipSync(plain);
    for (let length = 0; length < plain.length; length++) {
      expect((await failure(() => parseIdx(plain.subarray(0, length), 'cut.idx'))).code).toBe('ERR_FORMAT');
      const inner = await failure(() => gunzipIdx(gzipSync(plain.subarray(0, length)), 'cut.gz'));
      expect([inner.code, inner.message]).toEqual(['ERR_FORMAT', expect.stringContaining('cut.gz')]);
    }
    for (let length = 0; length < zipped.length; length++) {
      expect((await failure(() => gunzipIdx(zipped.subarray(0, length)))).code).toBe('ERR_FORMAT');
    }
  });

  it('says what a cut-off file should have been', async () => {
    const error = await failure(() => parseIdx(plain.subarray(0, 15), 'train-images'));
    expect(error.message).toBe(
      'train-images: expected 18 bytes for uint8 [2, 3], received 15; the file is cut off. Fetch the file anew from where it came.',
    );
  });

  it('refuses bytes after the end, plain and gzipped', async () => {
    const longer = Buffer.concat([plain, Buffer.of(0)]);
    expect((await failure(() => parseIdx(longer))).message).toContain('received 19: there are bytes after the end');
    expect((await failure(() => gunzipIdx(gzipSync(longer)))).message).toContain('bytes after the end');
  });

  it('refuses a wrong magic number, an unknown type, no dimensions', async () => {
    for (const head of [
      [1, 0, 8, 1],
      [0, 1, 8, 1],
      [0, 0, 10, 1],
      [0, 0, 0, 1],
      [0, 0, 8, 0],
      [0x89, 0x50, 0x4e, 0x47],
    ]) {
      const file = Uint8Array.from([...head, 0, 0, 0, 1, 7]);
      for (const attempt of [() => parseIdx(file, 'x.idx'), () => gunzipIdx(gzipSync(file), 'x.idx')]) {
        const error = await failure(attempt);
        expect(error.code).toBe('ERR_FORMAT');
        expect(error.message).toContain('x.idx: expected an IDX magic number');
        expect(error.message).toContain(`received 0x${Buffer.from(head).toString('hex')}`);
      }
    }
  });

  it('refuses sizes whose product overflows, without taking memory for them', async () => {
    const huge = new Uint8Array(4 + 4 * 255).fill(0xff);
    huge.set([0, 0, 14, 255]);
    for (const attempt of [() => parseIdx(huge), () => gunzipIdx(gzipSync(huge))]) {
      const error = await failure(attempt);
      expect(error.code).toBe('ERR_FORMAT');
      expect(error.message).toContain('a header that promises float64 [4294967295,');
    }
  });

  it('refuses a gzip that promises more than deflate can hold, before taking the memory', async () => {
    const before = process.memoryUsage().arrayBuffers;
    const liar = Uint8Array.of(0, 0, 8, 1, 0x7f, 0xff, 0xff, 0xff); // 2 GiB
    const error = await failure(() => gunzipIdx(gzipSync(liar)));
    expect(error.message).toContain('the file is cut off');
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(2 ** 24);
  });

  it('stops unzipping a bomb when it passes what the header promised', async () => {
    const bomb = gzipSync(Buffer.concat([plain, Buffer.alloc(2 ** 26)]));
    const before = process.memoryUsage().arrayBuffers;
    expect((await failure(() => gunzipIdx(bomb))).message).toContain('bytes after the end');
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(2 ** 24);
  });

  it('refuses damaged gzip', async () => {
    const damaged = Buffer.from(gzipSync(plain));
    damaged[damaged.length - 6]! ^= 0xff; // its checksum
    expect((await failure(() => gunzipIdx(damaged, 'bad.gz'))).message).toMatch(
      /bad\.gz: expected whole gzip data, received \d+ bytes that do not unzip/,
    );
  });

  it('any bytes at all give an array or ERR_FORMAT', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        try {
          const { shape, data } = parseIdx(bytes);
          expect(data.length).toBe(shape.reduce((product, size) => product * size, 1));
        } catch (error) {
          expect((error as IsotorchError).code).toBe('ERR_FORMAT');
        }
      }),
      { numRuns: 2000 },
    );
  });

  it('names a file that is not there or is a folder', async () => {
    for (const path of [join(folder, 'absent'), folder]) {
      const error = await failure(() => readIdx(path));
      expect([error.code, error.message]).toEqual(['ERR_FILE', expect.stringContaining(path)]);
    }
  });
});
