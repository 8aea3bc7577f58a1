// Reads pickles: a loop over opcodes, each a line that says what it does to the machine. Nothing in a pickle is executed, and
// whatever is wrong with it ends in ERR_FORMAT with its byte offset. The format is defined by CPython's Lib/pickletools.py.

import { atOnce, inTurns, stepsPerTurn } from '../turns.js';
import { recalledNumbers } from './extent.js';
import { Machine } from './machine.js';
import { newestProtocol, op } from './opcodes.js';
import { StorageTable } from './storages.js';

export interface UnpickleOptions {
  /** What messages call these bytes. */
  where: string;
  /**
   * Bytes of memory that the objects may take, as a rough estimate. Default: 64 MiB and four times the pickle's size: a pickle
   * of a few megabytes can ask for gigabytes otherwise.
   */
  memory?: number;
  /** What a persistent id stands for, and whether it is new. Default: a storage's description. @throws RuleError */
  resolve?: (id: unknown) => { storage: unknown; fresh: boolean };
  /** Unknown classes and functions, and what they are called with, become ForeignObjects instead of an error. */
  keepForeign?: boolean;
}

/** @throws ERR_FORMAT for everything that is not a pickle of tensors and plain values. */
export const unpickle = (bytes: Uint8Array, options: UnpickleOptions): unknown => atOnce(unpickling(bytes, options));

/** The same, for pickles of any size: the event loop goes on meanwhile. */
export const unpickleInTurns = (bytes: Uint8Array, options: UnpickleOptions): Promise<unknown> =>
  inTurns(unpickling(bytes, options));

/** What a file of so many bytes may make of its pickle, whose bytes are in memory too. */
export const memoryFor = (fileBytes: number, pickleBytes: number): number => baseMemory + 4 * fileBytes - pickleBytes;

/** The rest of 64 MiB is for V8’s garbage. */
const baseMemory = 56 << 20;

/** The work itself: yields every few thousand opcodes, and within those that take long. */
export function* unpickling(bytes: Uint8Array, options: UnpickleOptions): Generator<void, unknown> {
  const { where, memory = (64 << 20) + 4 * bytes.length, keepForeign = false } = options;
  const storages = new StorageTable();
  const resolve = options.resolve ?? ((id: unknown) => storages.resolve(id));
  const recalled = yield* recalledNumbers(bytes);
  const machine = new Machine(bytes, where, memory, resolve, keepForeign, recalled);
  let steps = 0;
  for (let code = machine.cursor.opcode(); code !== op.STOP; code = machine.cursor.opcode()) {
    const act = actions[code];
    if (act === undefined) {
      const name = `0x${code.toString(16).padStart(2, '0')}`;
      throw machine.error(`opcode ${name} is none that torch.save writes; the file is damaged or something else`);
    }
    const more = act(machine);
    if (more) yield* more;
    if (++steps % stepsPerTurn === 0) yield;
  }
  return machine.result();
}

/** Most do their work at once. */
type Action = (machine: Machine) => void | Generator<void, void>;

const emptyTuple = Object.freeze([]);

const actions: Action[] = [];

function on(codes: number | number[], action: Action): void {
  for (const code of [codes].flat()) actions[code] = action;
}

on(op.PROTO, (machine) => {
  const version = machine.cursor.uint8();
  if (version > newestProtocol) throw machine.error(`protocol ${version} is unknown; ${newestProtocol} is the newest`);
});
on(op.FRAME, ({ cursor }) => {
  if (cursor.uint64() > cursor.left) throw cursor.error('a frame is longer than the pickle; it may be cut off');
});

on(op.NONE, (machine) => machine.push(null));
on(op.NEWTRUE, (machine) => machine.push(true));
on(op.NEWFALSE, (machine) => machine.push(false));
on(op.BININT, (machine) => machine.push(machine.cursor.int32()));
on(op.BININT1, (machine) => machine.push(machine.cursor.uint8()));
on(op.BININT2, (machine) => machine.push(machine.cursor.uint16()));
on(op.LONG1, (machine) => machine.long(machine.cursor.uint8()));
on(op.LONG4, (machine) => machine.long(machine.cursor.int32()));
on(op.BINFLOAT, (machine) => machine.float(machine.cursor.float64()));
on(op.SHORT_BINUNICODE, (machine) => machine.text(machine.cursor.uint8()));
on(op.BINUNICODE, (machine) => machine.text(machine.cursor.uint32()));
on(op.SHORT_BINSTRING, (machine) => machine.string(machine.cursor.uint8()));
on(op.BINSTRING, (machine) => machine.string(machine.cursor.uint32()));
on(op.BINUNICODE8, (machine) => machine.text(machine.cursor.uint64()));
on(op.SHORT_BINBYTES, (machine) => machine.binary(machine.cursor.uint8()));
on(op.BINBYTES, (machine) => machine.binary(machine.cursor.uint32()));
on([op.BINBYTES8, op.BYTEARRAY8], (machine) => machine.binary(machine.cursor.uint64()));

on(op.EMPTY_TUPLE, (machine) => machine.push(emptyTuple));
on(op.TUPLE1, (machine) => machine.tuple(machine.popMany(1)));
on(op.TUPLE2, (machine) => machine.tuple(machine.popMany(2)));
on(op.TUPLE3, (machine) => machine.tuple(machine.popMany(3)));
on(op.TUPLE, (machine) => machine.tuple(machine.popMark()));
on(op.EMPTY_LIST, (machine) => machine.list());
on(op.APPEND, (machine) => machine.append(machine.popMany(1)));
on(op.APPENDS, (machine) => machine.append(machine.popMark()));
on(op.EMPTY_DICT, (machine) => machine.dict());
on(op.SETITEM, (machine) => machine.setItems(machine.popMany(2)));
on(op.SETITEMS, (machine) => machine.setItems(machine.popMark()));
on(op.EMPTY_SET, (machine) => machine.set([]));
on(op.FROZENSET, (machine) => machine.set(machine.popMark()));
on(op.ADDITEMS, (machine) => machine.addItems(machine.popMark()));

on(op.MARK, (machine) => machine.mark());
on(op.POP, (machine) => void machine.pop());
on(op.POP_MARK, (machine) => void machine.popMark());
on(op.BINPUT, (machine) => machine.remember(machine.cursor.uint8()));
on(op.LONG_BINPUT, (machine) => machine.remember(machine.cursor.uint32()));
on(op.MEMOIZE, (machine) => machine.remember());
on(op.BINGET, (machine) => machine.recall(machine.cursor.uint8()));
on(op.LONG_BINGET, (machine) => machine.recall(machine.cursor.uint32()));

on(op.GLOBAL, (machine) => machine.global(machine.cursor.line(), machine.cursor.line()));
on(op.STACK_GLOBAL, (machine) => {
  const [module, name] = machine.popMany(2);
  machine.global(module, name);
});
on(op.REDUCE, (machine) => machine.reduce('called'));
on(op.NEWOBJ, (machine) => machine.reduce('new'));
on(op.BUILD, (machine) => machine.build());
on(op.BINPERSID, (machine) => machine.persistent());
