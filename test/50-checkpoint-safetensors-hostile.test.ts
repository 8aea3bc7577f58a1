// Every rule of safetensors' specification, broken: an error that names the rule and the place, soon, in little memory. The
// soak damages two hundred thousand files (test/soak/50-checkpoint.soak.ts).

import { describe, expect, it } from 'vitest';
import { loadSafetensors } from '../lib/checkpoint/index.js';
import { memory } from '../lib/tensor/index.js';
import { safetensorsOf } from './support/safetensors.js';
import { fuzzSafetensors } from './support/safetensorsFuzz.js';

const info = (dtype: unknown, shape: unknown, data_offsets: unknown) => ({ dtype, shape, data_offsets });
const one = (dtype: unknown, shape: unknown, offsets: unknown) => ({ a: info(dtype, shape, offsets) });
const raw = (member: string) => `{"a":{${member}}}`;

describe('a header that breaks a rule', () => {
  const cases: [string, Uint8Array, string][] = [
    ['an empty file', new Uint8Array(), 'it has 0 bytes only'],
    ['no room for its length', new Uint8Array(7), 'it has 7 bytes only'],
    ['a length beyond the limit', safetensorsOf('{}', 0, 100_000_001n), 'its first bytes say 100000001'],
    ['a length beyond 64 bits of sign', safetensorsOf('{}', 0, 2n ** 64n - 1n), 'first bytes say 18446744073709551615'],
    ['a length beyond the file', safetensorsOf('{}', 0, 3n), 'the file ends at byte 10; it may be cut off'],
    ['no header', safetensorsOf('', 0), 'does not begin with {'],
    ['a space first', safetensorsOf(' {}'), 'does not begin with {'],
    ['a byte order mark', safetensorsOf('\ufeff{}'), 'does not begin with {'],
    ['an array', safetensorsOf('[]'), 'does not begin with {'],
    ['what is not UTF-8', safetensorsOf(Buffer.from([0x7b, 0x22, 0xc3, 0x28, 0x22])), 'not text in UTF-8'],
    ['an end that is missing', safetensorsOf('{'), 'expected " but found its end'],
    ['a second value', safetensorsOf('{}{}'), 'something follows the end'],
    ['zeros after it', safetensorsOf('{}\0\0'), 'something follows the end'],
    ['a comma too many', safetensorsOf('{"__metadata__":{},}'), 'expected " but found "}"'],
    ['a text without end', safetensorsOf('{"a'), 'a text does not end'],
    ['a backslash at its end', safetensorsOf('{"a\\'), 'a text does not end'],
    ['a line break in a text', safetensorsOf('{"a\n":1}'), 'control character'],
    ['an escape that is none', safetensorsOf('{"\\x41":1}'), 'an escape that is none'],
    ['half a surrogate', safetensorsOf('{"\\ud83d":1}'), 'an escape that is none'],
    ['a tensor that is none', safetensorsOf({ a: 1 }), 'expected { but found "1"'],
    ['a tensor that is null', safetensorsOf({ a: null }), 'expected { but found "n"'],
    ['metadata that is no text', safetensorsOf({ __metadata__: { epoch: 3 } }), 'expected " but found "3"'],
    ['metadata that is no object', safetensorsOf({ __metadata__: 'x' }), 'expected { but'],
    ['a name twice', safetensorsOf(`{"a":${JSON.stringify(info('U8', [0], [0, 0]))},"a":{}}`), '"a" comes twice'],
    ['a name twice, in disguise', safetensorsOf('{"__metadata__":{"a":"","\\u0061":""}}'), '"a" comes twice'],
    ['metadata twice', safetensorsOf('{"__metadata__":{},"__metadata__":{}}'), '"__metadata__" comes twice'],
    ['a field twice', safetensorsOf(raw('"dtype":"U8","dtype":"U8"')), '"dtype" comes twice'],
    ['no dtype', safetensorsOf(raw('"shape":[],"data_offsets":[0,1]'), 1), 'tensor "a" has no dtype'],
    ['no shape', safetensorsOf(raw('"dtype":"U8","data_offsets":[0,1]'), 1), 'tensor "a" has no shape'],
    ['no offsets', safetensorsOf(raw('"dtype":"U8","shape":[1]'), 1), 'tensor "a" has no data_offsets'],
    ['another field', safetensorsOf({ a: { ...info('U8', [1], [0, 1]), strides: [1] } }, 1), 'unknown field "strides"'],
    ['an unknown dtype', safetensorsOf(one('Q4', [1], [0, 1]), 1), 'has the dtype "Q4"; known are BOOL'],
    ['a dtype by inheritance', safetensorsOf(one('constructor', [1], [0, 1]), 1), 'has the dtype "constructor"'],
    ['a dtype that is no text', safetensorsOf(one(3, [1], [0, 1]), 1), 'expected " but found "3"'],
    ['a shape that is no array', safetensorsOf(one('U8', 1, [0, 1]), 1), 'expected [ but found "1"'],
    ['a negative size', safetensorsOf(one('U8', [-1], [0, 1]), 1), 'a size or offset of -1'],
    ['a size of -0', safetensorsOf(raw('"dtype":"U8","shape":[-0]')), 'a size or offset of -0'],
    ['a fraction', safetensorsOf(raw('"dtype":"U8","shape":[1.0]')), 'expected a whole number'],
    ['an exponent', safetensorsOf(raw('"dtype":"U8","shape":[1e2]')), 'expected a whole number'],
    ['a leading zero', safetensorsOf(raw('"dtype":"U8","shape":[01]')), 'expected a whole number'],
    ['a number in quotes', safetensorsOf(one('U8', ['1'], [0, 1]), 1), 'expected a whole number'],
    ['a size that is not safe', safetensorsOf(one('U8', [2 ** 53], [0, 1]), 1), 'a size or offset of 9007199254740992'],
    ['a product that overflows', safetensorsOf(one('U8', [2 ** 32, 2 ** 32], [0, 1]), 1), 'a shape that is too large'],
    ['an empty one too', safetensorsOf(one('U8', [0, 2 ** 32, 2 ** 32], [0, 0])), 'a shape that is too large'],
    ['one offset', safetensorsOf(one('U8', [1], [0]), 1), 'data_offsets [0] instead of [begin, end]'],
    ['three offsets', safetensorsOf(one('U8', [1], [0, 1, 2]), 1), 'data_offsets [0,1,2] instead of'],
    ['offsets the wrong way', safetensorsOf(one('U8', [1], [1, 0]), 1), 'data_offsets [1,0] instead of'],
    ['offsets beyond the data', safetensorsOf(one('U8', [2], [0, 2]), 1), 'ends at byte 2 of the data, which has 1'],
    ['too many bytes', safetensorsOf(one('F32', [1], [0, 8]), 8), 'of F32 and shape [1] needs 4 bytes but has 8'],
    ['too few bytes', safetensorsOf(one('F32', [3], [0, 8]), 8), 'of F32 and shape [3] needs 12 bytes but has 8'],
    ['half a byte', safetensorsOf(one('F4', [3], [0, 2]), 2), 'of F4 and shape [3] does not end at a whole byte'],
    [
      'an overlap',
      safetensorsOf({ b: info('U8', [2], [1, 3]), a: info('U8', [2], [0, 2]) }, 3),
      'the tensors "a" and "b" overlap',
    ],
    [
      'one range for two',
      safetensorsOf({ a: info('U8', [2], [0, 2]), b: info('I8', [2], [0, 2]) }, 2),
      'the tensors "a" and "b" overlap',
    ],
    ['a hole in front', safetensorsOf(one('U8', [1], [1, 2]), 2), '1 bytes before tensor "a" belong to no tensor'],
    [
      'a hole between',
      safetensorsOf({ a: info('U8', [1], [0, 1]), b: info('U8', [1], [2, 3]) }, 3),
      '1 bytes before tensor "b" belong to no tensor',
    ],
    ['bytes at the end', safetensorsOf(one('U8', [1], [0, 1]), 3), '2 bytes at its end belong to no tensor'],
    ['bytes and no tensors', safetensorsOf({}, 1), '1 bytes at its end belong to no tensor'],
    [
      'a boolean of 2',
      safetensorsOf(one('BOOL', [3], [0, 3]), 3),
      'tensor "a" holds a boolean that is neither 0 nor 1',
    ],
  ];
  it.each(cases)('%s', async (_, file, message) => {
    const result = loadSafetensors(file);
    await expect(result).rejects.toMatchObject({ code: 'ERR_FORMAT', message: expect.stringContaining(message) });
    await expect(result).rejects.toThrow(/^the buffer: /);
  });
});

describe('a header that is odd', () => {
  it.each<[string, Uint8Array]>([
    ['no tensors', safetensorsOf({})],
    [
      'spaces everywhere',
      safetensorsOf('{ "a" :\t{ "shape" : [ 1 , 1 ] , "dtype":"U8",\n"data_offsets":[0, 1]} }\r\n ', 1),
    ],
    ['a length that is no multiple of 8', safetensorsOf(one('F64', [1], [0, 8]), 8)],
    [
      'tensors in another order than their data',
      safetensorsOf({ b: info('U8', [1], [1, 2]), a: info('U8', [1], [0, 1]) }, 2),
    ],
    ['a hundred dimensions', safetensorsOf(one('U8', Array(100).fill(1), [0, 1]), 1)],
    ['names that objects have', safetensorsOf('{"__proto__":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}', 1)],
  ])('is read: %s', async (_, file) => {
    for (const tensor of (await loadSafetensors(file)).values()) expect(tensor.toArraySync().length).toBe(1);
    expect(({} as Record<string, unknown>).dtype).toBeUndefined();
  });
});

describe('bombs', () => {
  it.each<[string, () => string]>([
    ['of brackets', () => '{"a":'.padEnd(20_000_000, '[')],
    ['of braces', () => '{"a":'.repeat(4_000_000)],
    ['of empty tensors', () => `{${'"":{},'.repeat(3_000_000)}`],
    ['of digits', () => `{"a":{"shape":[${'9'.repeat(20_000_000)}]}}`],
    ['of backslashes', () => `{"${'\\'.repeat(20_000_000)}":1}`],
  ])('%s end soon', async (_, header) => {
    const file = safetensorsOf(header());
    const start = performance.now();
    await expect(loadSafetensors(file)).rejects.toMatchObject({ code: 'ERR_FORMAT' });
    expect(performance.now() - start).toBeLessThan(2000);
  });
});

describe('damage at random', () => {
  for (const target of ['file', 'header'] as const)
    it(`a damaged ${target} is read or refused, and leaves no tensor behind`, async () => {
      const before = memory();
      const { refused, read, slowest } = await fuzzSafetensors(target, 2000, 1);
      expect(refused + read).toBe(2000);
      expect(refused).toBeGreaterThan(800);
      expect(read).toBeGreaterThan(20);
      expect(slowest).toBeLessThan(2000);
      globalThis.gc?.();
      expect(memory().tensors - before.tensors).toBeLessThanOrEqual(6); // the samples'
    }, 30_000);
});
