// Hostile and damaged checkpoints: nothing in them executes, and whatever their bytes are, reading gives an object or a typed
// error, soon, in little memory. npm test damages a few thousand; the soak a hundred thousand (test/soak/50-checkpoint.soak.ts).

import { describe, expect, it } from 'vitest';
import { op } from '../lib/checkpoint/pickle/opcodes.js';
import { replaceTensors } from '../lib/checkpoint/pickle/tree.js';
import { fuzz } from './support/checkpointFuzz.js';
import { bytes, text, uint32 } from './support/checkpoints.js';
import { failure, global, load, program, proto } from './support/pickles.js';

describe('nothing is executed', () => {
  it('os.system is named, with its place, and not run', () => {
    for (const module of ['os', 'posix', 'nt']) {
      const message = failure(program(global(module, 'system'), text('touch /tmp/isotorch-was-here'), op.TUPLE1, 'R'));
      expect(message).toContain(`byte 2: the file asks for the global "${module}.system"`);
      expect(message).toContain('Nothing was executed');
    }
  });

  it('nor in any other disguise', () => {
    const names = [
      'builtins.eval',
      '__builtin__.exec',
      'builtins.getattr',
      'subprocess.Popen',
      'torch.load',
      'torch.hub.load',
      'torch._utils._import_dotted_name',
      'numpy.core.multiarray.fromfile',
      '__main__.Net',
      'operator.attrgetter',
      'collections.OrderedDict.fromkeys',
      '__proto__.constructor',
      'constructor.constructor',
    ];
    for (const full of names) {
      const dot = full.lastIndexOf('.');
      const [module, name] = [full.slice(0, dot), full.slice(dot + 1)];
      expect(failure(program(global(module, name), ')R'))).toContain(JSON.stringify(full));
      const stacked = bytes(
        op.SHORT_BINUNICODE,
        module.length,
        module,
        op.SHORT_BINUNICODE,
        name.length,
        name,
        op.STACK_GLOBAL,
      );
      expect(failure(program(stacked, ')', op.NEWOBJ))).toContain(JSON.stringify(full));
    }
    expect(failure(program(global('__main__', 'Net'), ')R'))).toContain('save its state dict');
    expect(failure(program(global('torch._utils', '_rebuild_qtensor'), ')R'))).toContain('expected a storage');
  });

  it('and allowed names are not called as what they are not', () => {
    expect(failure(program(global('torch', 'float32'), ')R'))).toContain('it calls torch.float32');
    expect(failure(program(global('torch', 'FloatStorage'), ')R'))).toContain('it calls torch.FloatStorage');
    expect(failure(program(text('eval'), ')R'))).toContain('something that is no function');
    expect(
      failure(
        program(
          global('torch._tensor', '_rebuild_from_type_v2'),
          '(',
          global('builtins', 'set'),
          global('torch', 'Tensor'),
          ')N',
          'tR',
        ),
      ),
    ).toContain('a function that builds a tensor');
    expect(failure(program(']}b'))).toContain('only an OrderedDict can have attributes');
    expect(failure(program(global('collections', 'OrderedDict'), ')R}', text('__class__'), text('x'), 'sb'))).toContain(
      'attribute "__class__"',
    );
    expect(() => replaceTensors(load(program(global('torch', 'FloatStorage'))), 'test', (ref) => ref)).toThrow(
      'holds the class or function torch.FloatStorage',
    );
  });
});

describe('what is not a pickle', () => {
  const cases: [string, Uint8Array, string][] = [
    ['empty', bytes(), 'ends without a STOP'],
    ['no STOP', bytes(proto, 'N'), 'byte 3: it ends without a STOP'],
    ['nothing on the stack', program(), 'it should end with one object but has 0'],
    ['two objects', program('NN'), 'has 2'],
    ['an open mark', program('(N'), 'should end with one object'],
    ['bytes after the end', bytes(program('N'), 'x'), '1 bytes follow its end'],
    ['a protocol to come', bytes(op.PROTO, 6, 'N.'), 'protocol 6 is unknown'],
    ['an unknown opcode', program(0xff), 'opcode 0xff'],
    ['an opcode of protocol 0', program('I1\n'), 'opcode 0x49'],
    ['text cut off', bytes(proto, 'X', uint32(10), 'abc'), '10 bytes are missing'],
    [
      'text of absurd length',
      bytes(proto, op.BINUNICODE8, uint32(0xffffffff), uint32(0xffffffff)),
      'bytes are missing',
    ],
    ['text that is not UTF-8', program('X', uint32(2), 0xc3, 0x28), 'expected text in UTF-8'],
    ['text with half a surrogate', program('X', uint32(2), 0xed, 0xa0), 'expected text in UTF-8'],
    [
      'text in a longer form than needed',
      program('X', uint32(5), 0xed, 0xa0, 0x80, 0xc0, 0x80),
      'expected text in UTF-8',
    ],
    ['text beyond Unicode', program('X', uint32(4), 0xf4, 0x90, 0x80, 0x80), 'expected text in UTF-8'],
    ['bytes of absurd length', bytes(proto, op.BINBYTES8, uint32(0), uint32(0x7fffffff)), 'bytes are missing'],
    ['an integer of negative length', program(op.LONG4, uint32(-1)), 'an integer of -1 bytes'],
    ['an integer of a million bytes', program(op.LONG4, uint32(1e6)), 'an integer of 1000000 bytes'],
    ['a frame that is too long', bytes(proto, op.FRAME, uint32(0xffff), uint32(0), 'N.'), 'a frame is longer'],
    ['a memo that was never set', program('h', 3), 'memo number 3 was never set'],
    ['a memo far away', program('Nr', uint32(0xffffffff)), 'memo number 4294967295 is too high'],
    ['a memo of nothing', program('q', 0), 'the stack is empty'],
    ['a mark that is missing', program('t'), 'there is no mark'],
    ['a pair from beyond the mark', program('N(', op.TUPLE1), 'the stack is empty'],
    ['an item for no list', program('NNa'), 'only a list can be appended to'],
    ['an item for a tuple', program(')Na'), 'only a list can be appended to'],
    ['a key for no dict', program(']NNs'), 'only a dict has keys'],
    ['a key without a value', program('}(Nu'), 'a key without a value'],
    ['a list as a key', program('}]Ns'), 'a dict’s key must be'],
    ['a name without an end', bytes(proto, 'cos'), 'the name of a global does not end'],
    ['a name that is no text', program('NN', op.STACK_GLOBAL), 'the name of a global must be text'],
    ['a persistent id of another kind', program(text('x'), 'Q'), 'expected the description of a storage'],
    [
      'arguments that are no tuple',
      program(global('collections', 'OrderedDict'), ']R'),
      'expected a tuple of arguments',
    ],
  ];
  for (const [what, data, message] of cases) {
    it(what, () => {
      expect(failure(data)).toContain(message);
    });
  }
});

describe('bombs', () => {
  it('of objects end when they have used up their memory', () => {
    const bomb = program('('.repeat(10), '}'.repeat(5_000_000));
    expect(failure(bomb)).toContain('too much memory');
    expect(() => load(program('(', '}'.repeat(1000), 't'), 100_000)).toThrow('too much memory');
    expect(() => load(program('(', 'N'.repeat(10_000), 't'), 100_000)).toThrow('too much memory');
    expect(() => load(program('('.repeat(100_000)), 100_000)).toThrow('too much memory');
  });

  it('of references stay small', () => {
    // Each list holds the one before twice: 2^60 paths, 60 lists.
    let doubling = bytes(']q', 0);
    for (let i = 1; i <= 60; i++) doubling = bytes(doubling, '](h', i - 1, 'h', i - 1, 'eq', i);
    const loaded = replaceTensors(load(program('(', doubling, 't')), 'test', (ref) => ref) as unknown[];
    expect(loaded).toHaveLength(61);
  });
});

describe('bombs of arguments', () => {
  const get = (id: number) => bytes('h', id);
  const call = (module: string, name: string, ...ids: number[]) =>
    bytes(global(module, name), ...ids.map(get), ids.length === 1 ? op.TUPLE1 : op.TUPLE2, 'R');
  const repeated = (times: number, part: Uint8Array) => Buffer.concat(Array(times).fill(part));

  it('that are given again and again end when they have used up their time', () => {
    const pairs = bytes('](', repeated(100_000, bytes('NN', op.TUPLE2)), 'eq', 1);
    for (const [module, name] of [
      ['builtins', 'set'],
      ['builtins', 'frozenset'],
      ['collections', 'OrderedDict'],
    ] as const) {
      const start = performance.now();
      expect(failure(program('(', pairs, repeated(5_000, call(module, name, 1)), 't'))).toContain('too much memory');
      expect(performance.now() - start).toBeLessThan(4000);
    }
    const long = bytes(text('x'.repeat(1_000_000)), 'q', 3, text('latin1'), 'q', 4);
    expect(failure(program('(', long, repeated(5_000, call('_codecs', 'encode', 3, 4)), 't'))).toContain(
      'too much memory',
    );
  });

  it('of tuples as keys are refused soon', () => {
    // Each tuple holds the one before twice: 2^60 paths, 60 tuples.
    const doubling = Array.from({ length: 60 }, (_, i) => bytes(get(i), get(i), op.TUPLE2, 'q', i + 1, '0'));
    const key = program(')q', 0, '0', ...doubling, '}', get(60), 'Ns');
    expect(replaceTensors(load(key), 'test', (ref) => ref)).toBeInstanceOf(Map);
    const deep = program('}', ')', String.fromCharCode(op.TUPLE1).repeat(100_000), 'Ns');
    expect(() => replaceTensors(load(deep), 'test', (ref) => ref)).toThrow('has no counterpart here');
  });
});

describe('damage at random', () => {
  for (const target of ['file', 'pickle', 'archive', 'stream', 'tar'] as const) {
    it(`a damaged ${target} is read or refused`, async () => {
      const { refused, read, slowest } = await fuzz({ target, runs: 1200, seed: 1 });
      expect(refused + read).toBe(1200);
      expect(refused).toBeGreaterThan(400);
      expect(slowest).toBeLessThan(2000);
    }, 30_000);

    it(`and a ${target} that is mapped into memory`, async () => {
      const { refused, read, slowest } = await fuzz({ target, runs: 600, seed: 2, mapped: true });
      expect(refused + read).toBe(600);
      expect(refused).toBeGreaterThan(100);
      expect(slowest).toBeLessThan(2000);
    }, 30_000);
  }
});
