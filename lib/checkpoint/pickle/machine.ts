// The pickle machine: a stack, marks on it, a memo, and what the opcodes of reader.ts do with them. It builds plain values and
// descriptions of tensors; its only "calls" are the small functions of globals.ts. Everything that is built is charged to a
// budget, since a small pickle can ask for gigabytes.

import { types } from 'node:util';
import { Cursor } from './cursor.js';
import { findGlobal, PickleGlobal } from './globals.js';
import { NumpyDType, setNumpyDType } from './numpy.js';
import { setTensor } from './tensorRules.js';
import { decodeLong, decodeText } from './text.js';
import {
  isList,
  isTensorRef,
  isTuple,
  Opaque,
  OrderedDict,
  RuleError,
  TensorRef,
  TorchDevice,
  TorchDType,
} from './values.js';

/** What objects cost in V8, in bytes, roughly. A slot is a place in an array that grows. */
const cost = {
  map: 220,
  array: 48,
  item: 16,
  text: 32,
  number: 16,
  tensor: 600,
  storage: 160,
  slot: 24,
  /** Time, counted as memory: an element that a rule looks at; bytes and characters cost 1. */
  work: 24,
} as const;

/** Python's integers have no end, but arithmetic on them takes time; no checkpoint needs more. */
const maxLongBytes = 1 << 16;

export class Machine {
  readonly cursor: Cursor;
  private readonly stack: unknown[] = [];
  /** Heights of the stack at open marks. */
  private readonly marks: number[] = [];
  private readonly memo: unknown[] = [];
  private highest = 0;
  private deepest = 0;

  constructor(
    bytes: Uint8Array,
    where: string,
    /** Bytes of memory that the objects may take. */
    private budget: number,
    /** What a persistent id stands for. @throws RuleError */
    private readonly resolve: (id: unknown) => { storage: unknown; fresh: boolean },
    /** What is not known becomes an Opaque object instead of an error. */
    private readonly opaque: boolean,
  ) {
    this.cursor = new Cursor(bytes, where);
  }

  /** The one object that is left at the end. */
  result(): unknown {
    if (this.marks.length > 0 || this.stack.length !== 1)
      throw this.error(`it should end with one object but has ${this.stack.length}`);
    if (this.cursor.left > 0) throw this.error(`${this.cursor.left} bytes follow its end`);
    return this.stack[0];
  }

  error(problem: string) {
    return this.cursor.error(problem);
  }

  // Stack and memo

  private charge(bytes: number): void {
    this.budget -= bytes;
    if (this.budget < 0)
      throw this.error('its objects need too much memory for a pickle of this size; it may be made to exhaust memory');
  }

  push(value: unknown): void {
    this.stack.push(value);
    if (this.stack.length > this.highest) {
      this.highest = this.stack.length;
      this.charge(cost.slot);
    }
  }

  pop(): unknown {
    const value = this.top();
    this.stack.pop();
    return value;
  }

  /** The last `count` objects, in the order in which they came. */
  popMany(count: number): unknown[] {
    const items = new Array<unknown>(count);
    for (let i = count - 1; i >= 0; i--) items[i] = this.pop();
    return items;
  }

  popMark(): unknown[] {
    const height = this.marks.pop();
    if (height === undefined) throw this.error('there is no mark on the stack');
    return this.stack.splice(height);
  }

  private top(): unknown {
    const floor = this.marks[this.marks.length - 1] ?? 0;
    if (this.stack.length <= floor) throw this.error('the stack is empty where an object is needed');
    return this.stack[this.stack.length - 1];
  }

  mark(): void {
    this.marks.push(this.stack.length);
    if (this.marks.length <= this.deepest) return;
    this.deepest = this.marks.length;
    this.charge(cost.slot);
  }

  remember(id = this.memo.length): void {
    // Python numbers its memo without gaps, and each entry costs at least two bytes of pickle.
    if (id > this.cursor.size) throw this.error(`memo number ${id} is too high`);
    if (id >= this.memo.length) this.charge((id - this.memo.length + 1) * cost.slot);
    this.memo[id] = this.top();
  }

  recall(id: number): void {
    const value = this.memo[id];
    if (value === undefined) throw this.error(`memo number ${id} was never set`);
    this.push(value);
  }

  // Values

  float(value: number): void {
    this.charge(cost.number);
    this.push(value);
  }

  long(length: number): void {
    if (length < 0 || length > maxLongBytes)
      throw this.error(`an integer of ${length} bytes can’t be read; at most ${maxLongBytes}`);
    this.charge(cost.number + length);
    this.push(decodeLong(this.cursor.take(length)));
  }

  text(length: number): void {
    this.charge(cost.text + 2 * Math.min(length, this.cursor.left));
    this.push(this.cursor.text(length));
  }

  /** A string of Python 2, which may be text or bytes: text where it is UTF-8, as torch.load takes it by default. */
  string(length: number): void {
    this.charge(cost.text + 2 * Math.min(length, this.cursor.left));
    const bytes = this.cursor.take(length);
    this.push(decodeText(bytes) ?? new Uint8Array(bytes));
  }

  binary(length: number): void {
    this.charge(cost.map + Math.min(length, this.cursor.left));
    this.push(new Uint8Array(this.cursor.take(length)));
  }

  // Containers

  list(): void {
    this.charge(cost.array);
    this.push([]);
  }

  dict(): void {
    this.charge(cost.map);
    this.push(new Map());
  }

  set(items: unknown[]): void {
    this.charge(cost.map + items.length * 3 * cost.item);
    this.push(new Set(items));
  }

  tuple(items: unknown[]): void {
    this.charge(cost.array + items.length * cost.item);
    this.push(Object.freeze(items));
  }

  append(items: unknown[]): void {
    const top = this.top();
    const list = top instanceof Opaque ? top.items : top;
    if (!isList(list)) throw this.error('only a list can be appended to');
    this.charge(items.length * cost.item);
    for (const item of items) list.push(item);
  }

  addItems(items: unknown[]): void {
    const set = this.top();
    if (set instanceof Opaque) {
      this.append(items);
      return;
    }
    if (!types.isSet(set)) throw this.error('only a set can be added to');
    this.charge(items.length * 3 * cost.item);
    for (const item of items) set.add(item);
  }

  setItems(items: unknown[]): void {
    const dict = this.top();
    if (!(types.isMap(dict) || dict instanceof Opaque)) throw this.error('only a dict has keys');
    if (items.length % 2 !== 0) throw this.error('a key without a value');
    this.charge(items.length * 2 * cost.item);
    for (let i = 0; i < items.length; i += 2) {
      if (!isHashable(items[i])) throw this.error('a dict’s key must be text, a number, None, a tuple or bytes');
      if (dict instanceof Opaque) dict.entries.push([items[i], items[i + 1]]);
      else dict.set(items[i], items[i + 1]);
    }
  }

  // Globals

  global(module: unknown, name: unknown): void {
    if (typeof module !== 'string' || typeof name !== 'string') throw this.error('the name of a global must be text');
    const found = findGlobal(module, name);
    if (found === undefined && !this.opaque) throw this.error(forbidden(`${module}.${name}`));
    if (found === undefined) this.charge(cost.map);
    this.push(found ?? new Opaque(`${module}.${name}`));
  }

  reduce(): void {
    const args = this.pop();
    const callee = this.pop();
    if (callee instanceof Opaque) {
      this.charge(cost.map);
      this.push(new Opaque(callee.name, isTuple(args) ? args : [args]));
      return;
    }
    if (!(callee instanceof PickleGlobal) || callee.build === undefined) {
      const name =
        callee instanceof PickleGlobal
          ? callee.name
          : callee instanceof TorchDType
            ? `torch.${callee}`
            : 'something that is no function';
      throw this.error(`it calls ${name}; nothing in a file is executed, and this is not a known way to make a value`);
    }
    if (!isTuple(args)) throw this.error(`${callee.name}: expected a tuple of arguments`);
    // A short pickle may call for the same large argument many times.
    for (const arg of args) this.charge(sizeOf(arg) * (isFlat(arg) ? 1 : cost.work));
    this.push(this.apply(callee.name, args, () => callee.build?.(args)));
  }

  private apply(name: string, args: readonly unknown[], rule: () => unknown): unknown {
    try {
      const value = rule();
      this.charge(isTensorRef(value) ? cost.tensor : cost.map);
      this.charge(sizeOf(value) * (isFlat(value) ? 1 : 3 * cost.item));
      return value;
    } catch (error) {
      if (!(error instanceof RuleError)) throw error;
      if (!this.opaque) throw this.error(`${name}: ${error.message}`);
      this.charge(cost.map);
      return new Opaque(name, args, error.message);
    }
  }

  /** State that an object is given after it was made; of attributes only a dict's `_metadata` has a meaning outside Python. */
  build(): void {
    const state = this.pop();
    const target = this.top();
    const give = target instanceof NumpyDType ? setNumpyDType : target instanceof TensorRef ? setTensor : undefined;
    if (give) {
      this.apply('BUILD', [state], () => give(target as never, state));
      return;
    }
    if (target instanceof Opaque) {
      target.state = state;
      return;
    }
    if (!(target instanceof OrderedDict) || !types.isMap(state))
      throw this.error('only an OrderedDict can have attributes');
    for (const [name, value] of state) {
      if (name !== '_metadata' && !this.opaque)
        throw this.error(`an OrderedDict with an attribute ${JSON.stringify(String(name))} can’t be read`);
      if (name === '_metadata') target._metadata = value;
    }
  }

  persistent(): void {
    const id = this.pop();
    try {
      const { storage, fresh } = this.resolve(id);
      if (fresh) this.charge(cost.storage);
      this.push(storage);
    } catch (error) {
      if (!(error instanceof RuleError)) throw error;
      if (!this.opaque) throw this.error(error.message);
      this.charge(cost.map);
      // Old files have a module's class and its source text there.
      const type =
        isTuple(id) && id[0] !== 'storage'
          ? id.find((part) => part instanceof Opaque && part.args === undefined)
          : undefined;
      this.push(type ?? new Opaque('persistent id', isTuple(id) ? id : [id], error.message));
    }
  }
}

const isFlat = (value: unknown): boolean => typeof value === 'string' || types.isUint8Array(value);

/** Elements, bytes or characters. */
function sizeOf(value: unknown): number {
  if (types.isMap(value) || types.isSet(value)) return value.size;
  return Array.isArray(value) || types.isUint8Array(value) || typeof value === 'string' ? value.length : 0;
}

const isHashable = (value: unknown): boolean =>
  value === null ||
  typeof value !== 'object' ||
  isTuple(value) ||
  types.isUint8Array(value) ||
  value instanceof TorchDType ||
  value instanceof TorchDevice ||
  value instanceof Opaque;

/** Why a global is refused, with advice where the reason is a common one. */
function forbidden(name: string): string {
  const advice: [RegExp, string][] = [
    [
      /^torch\._utils\._rebuild_q|^torch\.Q/,
      'Quantised tensors can’t be read; dequantise them in Python before saving.',
    ],
    [/_rebuild_(wrapper|nested)/, 'This kind of tensor can’t be read; save an ordinary one.'],
    [/^torch\.(bits|u?int[1-7]$|float4|float6)/, 'LibTorch has no arithmetic for this dtype; save another one.'],
    [
      /^numpy\b/,
      'Of NumPy’s objects only arrays and scalars of numbers and booleans can be read; turn others into lists before saving.',
    ],
    [
      /^__main__\.|^torch\.nn\.modules\.|^torchvision\./,
      'The file seems to hold a whole model; in Python save its state dict: torch.save(model.state_dict(), path).',
    ],
  ];
  const hint = advice.find(([pattern]) => pattern.test(name))?.[1];
  return (
    `the file asks for the global ${JSON.stringify(name.slice(0, 200))}, which is not on isotorch’s list of harmless ones. Nothing was executed. ` +
    `${hint ?? 'Files may hold tensors, numbers, text, lists, tuples, sets and dicts.'} inspectTorch(path) shows what is inside.`
  );
}
