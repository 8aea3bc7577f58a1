// YAML text → a tree of plain values in which each knows its line and column. What YAML allows and a manifest doesn't need
// (tags, several documents, keys that are no text) becomes a mistake here, so that the shapes meet maps, lists and scalars
// only. Aliases are followed, within bounds: a few lines of them can stand for billions of values.

import {
  type Alias,
  CST,
  type Document,
  isAlias,
  isMap,
  isPair,
  isScalar,
  isSeq,
  Lexer,
  LineCounter,
  type Node,
  parseDocument,
  visit,
  type YAMLError,
  type YAMLMap,
} from 'yaml';
import { printable } from '../../printable.js';
import type { Mistake, Place } from './mistakes.js';

export type Located = LocatedMap | LocatedList | LocatedScalar;

export interface Entry {
  readonly key: string;
  readonly place: Place;
  readonly value: Located;
}

export interface LocatedMap {
  readonly kind: 'map';
  readonly place: Place;
  /** Each key once. */
  readonly entries: readonly Entry[];
}

export interface LocatedList {
  readonly kind: 'list';
  readonly place: Place;
  readonly items: readonly Located[];
}

export interface LocatedScalar {
  readonly kind: 'scalar';
  readonly place: Place;
  readonly value: string | number | boolean | null;
  /** As it is written, without quotes. */
  readonly source: string;
}

/** Far above what a manifest has, far below what takes a noticeable time. */
export const limits = { values: 50_000, depth: 32, characters: 256 * 1024 };

/** Reads YAML 1.2, core schema. The tree is null where the text is not YAML; then the mistakes are those of syntax alone. */
export function locate(text: string): { readonly root: Located | null; readonly mistakes: readonly Mistake[] } {
  if (text.length > limits.characters)
    return { root: null, mistakes: [tooLong(`${Math.ceil(text.length / 1024)} KiB`)] };
  const lines = new LineCounter();
  const tooDeep = firstTooDeep(text);
  if (tooDeep !== null) return { root: null, mistakes: [tooDeep] };
  const document = parseDocument(text, {
    lineCounter: lines,
    prettyErrors: false,
    // With the parser's own check the first of two equal keys would be lost to ours, which names both.
    uniqueKeys: false,
    schema: 'core',
    merge: false,
    logLevel: 'error',
  });
  const syntax = syntaxMistakes(document, lines);
  if (syntax.length > 0) return { root: null, mistakes: syntax };
  const reader = new Reader(lines, targetsOf(document));
  const root = document.contents === null ? null : reader.read(document.contents, '', 0);
  if (root === null && reader.mistakes.length === 0)
    return { root, mistakes: [asAWhole('a manifest', 'an empty file', 'Begin with `name:` and `detectors:`.')] };
  return { root, mistakes: reader.mistakes };
}

/** What stands between tokens and not in the text. */
const marks = new Set<string>([CST.DOCUMENT, CST.FLOW_END, CST.SCALAR]);

/**
 * Brackets, or dashes in one line, that open a level too many. The parser calls itself for each and takes seconds for a hundred
 * thousand of them; the lexer goes on, and is stopped at the first.
 */
function firstTooDeep(text: string): Mistake | null {
  let [brackets, dashes, at] = [0, 0, 0];
  for (const token of new Lexer().lex(text)) {
    if (marks.has(token)) continue;
    if (token === '[' || token === '{') brackets += 1;
    else if (token === ']' || token === '}') brackets -= 1;
    else if (token === '-') dashes += 1;
    else if (token.includes('\n')) dashes = 0;
    if (Math.max(brackets, dashes) > limits.depth) {
      const before = text.slice(0, at).split('\n');
      const place = { line: before.length, column: (before.at(-1) as string).length + 1 };
      return { ...place, path: '', expected: `at most ${limits.depth} levels`, received: 'more', hint: null };
    }
    at += token.length;
  }
  return null;
}

export const tooLong = (received: string): Mistake => asAWhole('a manifest of at most 256 KiB', received, null);

const asAWhole = (expected: string, received: string, hint: string | null): Mistake => ({
  ...{ line: 1, column: 1, path: '', expected, received, hint },
});

function syntaxMistakes({ errors, warnings }: Document, lines: LineCounter): Mistake[] {
  const exhausted = errors.filter(({ code }) => code === 'RESOURCE_EXHAUSTION');
  const seen = new Set<number>();
  return (
    (exhausted.length > 0 ? exhausted.slice(0, 1) : [...errors, ...warnings])
      .map((error) => ({ ...placeOf(lines, error.pos[0]), path: '', ...explain(error) }))
      // One slip often gives several errors in one line; the first says it best.
      .filter(({ line }) => !seen.has(line) && seen.add(line))
  );
}

function explain({ code, message }: YAMLError): Pick<Mistake, 'expected' | 'received' | 'hint'> {
  const says = `: ${printable(message).slice(0, 200)}`;
  const other = { expected: 'YAML', received: `something else${says}`, hint: null };
  switch (code) {
    case 'TAB_AS_INDENT':
      return { expected: 'spaces to indent', received: 'a tab', hint: 'YAML allows no tabs here: use two spaces.' };
    case 'BAD_INDENT': {
      const bracket = /end with a (.)/.exec(message)?.[1];
      if (bracket !== undefined) {
        const hint = 'What is in brackets over several lines is indented deeper than its key.';
        return { expected: `the ${bracket} that closes what was opened above`, received: 'something else', hint };
      }
      return {
        expected: 'the indentation of its neighbours',
        received: 'another',
        hint: 'Entries of one block begin in one column.',
      };
    }
    case 'RESOURCE_EXHAUSTION':
      return { expected: `at most ${limits.depth} levels`, received: 'thousands nested into each other', hint: null };
    case 'MULTIPLE_DOCS':
      return {
        expected: 'one manifest in the file',
        received: 'a second after ---',
        hint: 'Put it into its own file.',
      };
    case 'BLOCK_AS_IMPLICIT_KEY':
      return {
        expected: 'one `key: value` in a line',
        received: 'a second colon',
        hint: 'Put text that holds ": " into quotes; or is the next line indented too far?',
      };
    case 'UNEXPECTED_TOKEN': {
      const opened = /flow-(map|seq)-start at node end/.exec(message)?.[1];
      if (opened === undefined) return other;
      const bracket = opened === 'map' ? '{' : '[';
      const hint = `Within brackets, text that holds ${bracket} needs quotes.`;
      return { expected: 'a comma or the end of the brackets', received: bracket, hint };
    }
    case 'TAG_RESOLVE_FAILED':
      return { expected: 'a value without a tag', received: `one${says}`, hint: null };
    default:
      return other;
  }
}

/** What each alias stands for: the nearest node before it that has its anchor. */
function targetsOf(document: Document): Map<Alias, Node | undefined> {
  const anchors = new Map<string, Node>();
  const targets = new Map<Alias, Node | undefined>();
  visit(document, {
    Node(_, node) {
      if (isAlias(node)) targets.set(node, anchors.get(node.source));
      else if (node.anchor) anchors.set(node.anchor, node);
    },
  });
  return targets;
}

class Reader {
  readonly mistakes: Mistake[] = [];
  #values = 0;

  constructor(
    readonly lines: LineCounter,
    readonly targets: ReadonlyMap<Alias, Node | undefined>,
  ) {}

  /** Null where the node holds nothing that a shape could look at; the mistake is noted. */
  read(node: Node, path: string, depth: number): Located | null {
    const place = placeOf(this.lines, node.range?.[0] ?? 0);
    this.#values += 1;
    if (this.#values > limits.values) {
      if (this.#values === limits.values + 1) {
        const hint = 'An alias (*name) repeats all that its anchor (&name) holds, and so on for aliases in there.';
        this.#wrong(place, path, `at most ${limits.values.toLocaleString('en')} values`, 'more', hint);
      }
      return null;
    }
    if (depth > limits.depth)
      return this.#wrong(place, path, `at most ${limits.depth} levels`, 'more', 'Does an alias stand for itself?');
    if (isAlias(node)) {
      const target = this.targets.get(node);
      if (target) return this.read(target, path, depth + 1);
      return this.#wrong(place, path, 'an alias of an anchor above', `*${printable(node.source)}`);
    }
    if (isMap(node)) return { kind: 'map', place, entries: this.#entries(node, path, depth) };
    if (isSeq(node)) {
      const items = node.items.map((item, i) =>
        isPair(item) ? null : this.read(item as Node, `${path}[${i}]`, depth + 1),
      );
      return { kind: 'list', place, items: items.filter((item) => item !== null) };
    }
    const value: unknown = isScalar(node) ? node.value : undefined;
    if (value === null || typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean')
      return { kind: 'scalar', place, value, source: (isScalar(node) && node.source) || String(value ?? '') };
    return this.#wrong(place, path, 'text, a number, true or false, a list or a map', 'a value of another type');
  }

  #entries(map: YAMLMap, path: string, depth: number): Entry[] {
    const own = new Map<string, Entry>();
    const merged: Entry[] = [];
    for (const { key, value } of map.items) {
      const place = placeOf(this.lines, (key as Node | null)?.range?.[0] ?? map.range?.[0] ?? 0);
      if (!isScalar(key) || typeof key.value !== 'string' || key.value === '') {
        const received = isScalar(key) ? (key.source ?? 'nothing') || 'nothing' : 'a list or a map';
        this.#wrong(place, path, 'text as a key', printable(received), 'Numbers as keys need quotes.');
        continue;
      }
      const name = key.value;
      const inner = path === '' ? printable(name) : `${path}.${printable(name)}`;
      const read = value === null ? emptyAt(place) : this.read(value as Node, inner, depth + 1);
      if (read === null) continue;
      if (name === '<<') {
        const parts = read.kind === 'list' ? read.items : [read];
        for (const part of parts) {
          if (part.kind === 'map') merged.push(...part.entries);
          else this.#wrong(part.place, inner, 'a map to merge in', describeLocated(part));
        }
      } else if (own.has(name)) {
        const { line } = own.get(name)!.place;
        this.#wrong(place, inner, 'each key once', `a second one, after that in line ${line}`, 'Remove one of them.');
      } else own.set(name, { key: name, place, value: read });
    }
    for (const entry of merged) if (!own.has(entry.key)) own.set(entry.key, entry);
    return [...own.values()];
  }

  #wrong(place: Place, path: string, expected: string, received: string, hint: string | null = null): null {
    this.mistakes.push({ ...place, path, expected, received, hint });
    return null;
  }
}

/** A value in a few words, for messages. */
export function describeLocated(node: Located): string {
  if (node.kind === 'map') return node.entries.length === 0 ? 'an empty map' : 'a map';
  if (node.kind === 'list') return node.items.length === 0 ? 'an empty list' : `a list of ${node.items.length}`;
  const { value } = node;
  if (value === null) return 'nothing';
  if (typeof value === 'string') {
    const shown = printable(value);
    return `the text ${JSON.stringify(shown.length > 60 ? `${shown.slice(0, 57)}…` : shown)}`;
  }
  return typeof value === 'number' ? `the number ${printable(node.source).slice(0, 40)}` : String(value);
}

function emptyAt(place: Place): LocatedScalar {
  return { kind: 'scalar', place, value: null, source: '' };
}

function placeOf(lines: LineCounter, offset: number): Place {
  const { line, col } = lines.linePos(offset);
  return { line: Math.max(line, 1), column: Math.max(col, 1) };
}
