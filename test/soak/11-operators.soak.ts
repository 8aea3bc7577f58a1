// Every operator of the library with random arguments of the right kinds and wrong sizes, dtypes and values. Public
// operators (no leading underscore) must answer or throw, but for a few known ones. Internal ones trust their callers: those that end the process
// are counted and listed, so that the documents can say how far to trust them.

import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { expect, it } from 'vitest';
import { native } from '../../lib/native.js';

const entry = new URL('../../dist/tensor/index.js', import.meta.url).href;
const tries = Number(process.env.ISOTORCH_SOAK_TRIES ?? 20);

/** The child: calls the operators that it is told, saying each name before it calls it. */
const child = `
  import { native } from ${JSON.stringify(new URL('../../dist/native.js', import.meta.url).href)};
  import { torch, tidy } from ${JSON.stringify(entry)};
  let seed = 1;
  const random = (n) => { seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0; return Math.floor((seed / 2 ** 32) * n); };
  const pick = (list) => list[random(list.length)];
  const shapes = [[], [0], [1], [3], [2, 3], [3, 3], [4, 0], [2, 3, 4], [1, 3, 5, 5], [2, 1, 3, 3, 3]];
  const dtypes = ['float32', 'float64', 'int64', 'bool', 'bfloat16', 'complex64', 'uint8', 'int32'];
  const tensor = () => torch.zeros(pick(shapes), { dtype: pick(dtypes) }).fill_(random(5)).handle;
  const integers = [0, 1, -1, 2, 3, 5, -7, 12, 2 ** 62, -(2 ** 40)];
  const one = (a) => {
    switch (a.kind) {
      case 'Tensor': return tensor();
      case 'int': return pick(integers);
      case 'float': return pick([0, 1, -1, 0.5, 1e30, NaN, Infinity]);
      case 'bool': return random(2) === 1;
      case 'Scalar': return pick([0, 1, -3, 0.5, true, NaN]);
      case 'complex': return { re: 1, im: -1 };
      case 'str': return pick(['', 'mean', 'sum', 'none', 'linear', 'x', 'trunc']);
      case 'Device': return 'cpu';
      case 'ScalarType': return pick(dtypes);
      case 'Layout': return 'strided';
      case 'MemoryFormat': return pick(['contiguous_format', 'preserve_format', 'channels_last']);
      default: return undefined;
    }
  };
  const value = (a) => {
    if ((a.optional || a.hasDefault) && random(2) === 0) return a.optional ? null : undefined;
    if (!a.list) return one(a);
    const items = Array.from({ length: random(4) }, () => one(a));
    return a.kind === 'Tensor' ? Float64Array.from(items) : items;
  };
  for await (const line of (await import('node:readline')).createInterface({ input: process.stdin })) {
    const name = JSON.parse(line);
    seed = [...name].reduce((h, c) => Math.imul(h ^ c.charCodeAt(0), 16777619) >>> 0, 2166136261);
    for (const overload of native.overloads(name)) {
      if (!overload.supported) continue;
      for (let i = 0; i < ${tries}; i++) tidy(() => { try { native.call(overload.number, ...overload.arguments.map(value)); } catch {} });
    }
    console.log(JSON.stringify(name));
  }`;

// These do what they say: end the process, read from nowhere, or run for as long as they are told.
const asked = /^aten::(from_file|_debug_has_internal_overlap|_cufft|_use_cudnn|record_stream|rename)/;

// Public operators that end the process in LibTorch 2.13.0 for some arguments.
// docs/errors.md names them; a new one is a failure.
const known = ['lu_unpack', 'mkldnn_rnn_layer', 'native_batch_norm', 'quantized_lstm_cell', 'range'].map(
  (name) => `aten::${name}`,
);

async function survivors(names: readonly string[]): Promise<{ crashed: string[]; hung: string[] }> {
  const crashed: string[] = [];
  const hung: string[] = [];
  let next = 0;
  while (next < names.length) {
    const process_ = spawn(process.execPath, ['--input-type=module', '-e', child], {
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    const lines = createInterface({ input: process_.stdout });
    process_.stdin.on('error', () => {}); // it may be gone
    let timer: NodeJS.Timeout | undefined;
    let late = false;
    const watch = () => {
      clearTimeout(timer);
      timer = setTimeout(() => {
        late = true;
        process_.kill('SIGKILL');
      }, 60_000);
    };
    const send = () => {
      watch();
      if (next < names.length) process_.stdin.write(`${JSON.stringify(names[next])}\n`);
      else process_.stdin.end();
    };
    lines.on('line', () => {
      next++;
      send();
    });
    send();
    await new Promise((resolve) => process_.on('close', resolve));
    clearTimeout(timer);
    if (next < names.length) {
      (late ? hung : crashed).push(names[next]!);
      next++;
    }
  }
  return { crashed, hung };
}

it('every public operator answers or throws; internal ones that do not are listed', async () => {
  const names = native.operatorNames().filter((name) => /^(aten|isomax)::/.test(name) && !asked.test(name));
  const half = Math.ceil(names.length / 2);
  const parts = await Promise.all([survivors(names.slice(0, half)), survivors(names.slice(half))]);
  const crashed = parts.flatMap((part) => part.crashed);
  const hung = parts.flatMap((part) => part.hung);
  const internal = (name: string) => /::(_|.*_backward)/.test(name);
  console.log(`${names.length} operators, ${tries} calls of each overload`);
  console.log(`ended the process: ${crashed.length}\n  ${crashed.join('\n  ')}`);
  console.log(`took over a minute: ${hung.length}\n  ${hung.join('\n  ')}`);
  expect(crashed.filter((name) => !internal(name) && !known.includes(name))).toEqual([]);
});
