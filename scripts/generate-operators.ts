// Writes lib/generated/operators.ts: the types of every operator of the LibTorch in use, from its own schemas, so
// that an editor completes names, arguments, defaults and overloads. Run by set-up after the addon was built.
//
// Each overload becomes one signature for every way to split its defaulted positional arguments between positions and
// the options object at the end, as in Python where they may be given by position or by name.

import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { native } from '../lib/native.js';
import { type Overload, operator } from '../lib/tensor/dispatch.js';
import { camelCase, namespaces, placeOf } from '../lib/tensor/names.js';
import { ownMethods } from '../lib/tensor/operators.js';

type Argument = Overload['arguments'][number];

const elementTypes: Record<Argument['kind'], string> = {
  Tensor: 'Tensor',
  int: 'number | bigint',
  float: 'number',
  bool: 'boolean',
  Scalar: 'Scalar',
  complex: 'Complex',
  str: 'string',
  Device: 'Device',
  ScalarType: 'DType',
  Layout: 'Layout',
  MemoryFormat: 'MemoryFormat',
  Generator: 'Generator',
  unsupported: 'never',
};

const reserved = new Set([
  'case',
  'class',
  'default',
  'delete',
  'enum',
  'export',
  'function',
  'import',
  'in',
  'new',
  'null',
  'return',
  'this',
  'var',
  'with',
  'arguments',
  'eval',
]);
const parameterName = (key: string) => (reserved.has(key) ? `${key}_` : key);
const propertyName = (key: string) => (/^[A-Za-z_$][\w$]*$/.test(key) ? key : JSON.stringify(key));

function argumentType({ kind, list, repeat, optional, optionalElements }: Argument): string {
  let type = elementTypes[kind];
  if (list) {
    const item = optionalElements ? `${type} | null` : type;
    type = item.includes('|') ? `readonly (${item})[]` : `readonly ${item}[]`;
    if (repeat > 0) type = `${elementTypes[kind]} | ${type}`;
  }
  return optional ? `${type} | null` : type;
}

function resultType(overload: Overload): string {
  const one = ({ kind, list, optional }: Overload['results'][number]) => {
    const element =
      kind === 'int' || kind === 'Scalar' ? 'number' : elementTypes[kind] === 'never' ? 'unknown' : elementTypes[kind];
    return `${list ? `${element}[]` : element}${optional ? ' | null' : ''}`;
  };
  const { results, resultKeys } = overload;
  if (results.length === 0) return 'void';
  if (results.length === 1) return one(results[0]!);
  if (resultKeys) return `{ ${resultKeys.map((key, i) => `${propertyName(key)}: ${one(results[i]!)}`).join('; ')} }`;
  return `[${results.map(one).join(', ')}]`;
}

/** PyTorch's factories take requires_grad too, though their schemas don't say so. */
const isFactory = (overload: Overload) =>
  ['dtype', 'layout', 'device'].every((name) => overload.arguments.some((a) => a.keywordOnly && a.name === name));

function signatures(overload: Overload, method: boolean): string[] {
  const positional = overload.arguments.slice(method ? 1 : 0, overload.positional);
  const keywords = overload.arguments.slice(overload.positional);
  const firstDefault = positional.findIndex((argument) => argument.hasDefault);
  const required = firstDefault < 0 ? positional.length : firstDefault;
  const result = resultType(overload);
  const lines: string[] = [];
  for (let split = positional.length; split >= required; split--) {
    const named = [...positional.slice(split), ...keywords];
    const parameters = positional
      .slice(0, split)
      .map(
        (a, i) =>
          `${parameterName(a.key)}${a.hasDefault && positional.slice(i, split).every((b) => b.hasDefault) ? '?' : ''}: ${argumentType(a)}`,
      );
    if (split < positional.length && named.length > 0) {
      // Fewer positions: at least one later argument is named, else the first signature serves already.
      parameters.splice(
        0,
        parameters.length,
        ...positional.slice(0, split).map((a) => `${parameterName(a.key)}: ${argumentType(a)}`),
      );
    }
    if (named.length > 0) {
      const must = named.some((a) => !a.hasDefault);
      const fields = named.map((a) => `${propertyName(a.key)}${a.hasDefault ? '?' : ''}: ${argumentType(a)}`);
      if (isFactory(overload)) fields.push('requiresGrad?: boolean');
      const optional = must || split < positional.length ? '' : '?';
      if (optional === '')
        parameters.splice(
          0,
          parameters.length,
          ...positional.slice(0, split).map((a) => `${parameterName(a.key)}: ${argumentType(a)}`),
        );
      parameters.push(`options${optional}: { ${fields.join('; ')} }`);
    }
    lines.push(`(${parameters.join(', ')}): ${result};`);
  }
  return lines;
}

/** The members of one interface: for each name, every supported overload with its schema as documentation. */
function members(entries: readonly [name: string, overloads: readonly Overload[]][], method: boolean): string {
  const lines: string[] = [];
  for (const [name, overloads] of entries) {
    for (const overload of overloads) {
      for (const signature of signatures(overload, method)) {
        lines.push(`  /** \`${overload.schema}\` */`, `  ${propertyName(name)}${signature}`);
      }
    }
  }
  return lines.join('\n');
}

const functions = new Map<string, [string, Overload[]][]>([
  ['', []],
  ...namespaces.map((name): [string, [string, Overload[]][]] => [name, []]),
]);
const methods: [string, Overload[]][] = [];
const ours: Record<string, [string, Overload[]][]> = { isomax: [], isotorch: [] };

for (const full of native.operatorNames()) {
  const [library, plain] = full.split('::') as [string, string];
  if (library !== 'aten' && !Object.hasOwn(ours, library!)) continue;
  const overloads = operator(full).overloads.filter(({ supported }) => supported);
  if (overloads.length === 0) continue;
  if (library !== 'aten') {
    ours[library!]!.push([camelCase(plain), overloads]);
    continue;
  }
  const [namespace, name] = placeOf(plain);
  functions.get(namespace)!.push([camelCase(name), overloads]);
  const withTensorFirst = overloads.filter(
    ({ arguments: [first] }) => first?.kind === 'Tensor' && !first.list && !first.keywordOnly,
  );
  if (withTensorFirst.length > 0 && !ownMethods.has(camelCase(plain)))
    methods.push([camelCase(plain), withTensorFirst]);
}

const body = `
/** Operators whose first argument is a tensor, as methods. */
export interface TensorOperators {
${members(methods, true)}
}

/** Operators of aten as functions. */
export interface TorchOperators {
${members(functions.get('')!, false)}
}

export interface NamespaceOperators {
${namespaces.map((name) => `  ${name}: {\n${members(functions.get(name)!, false)}\n  };`).join('\n')}
}

/** libisomax's operators, and the bridge's own. */
export interface OwnOperators {
${Object.entries(ours)
  .map(([library, entries]) => `  readonly ${library}: {\n${members(entries, false)}\n  };`)
  .join('\n')}
}
`;
const imports = ['Complex', 'Device', 'DType', 'Layout', 'MemoryFormat', 'Scalar'].filter((name) =>
  new RegExp(`: [^;]*\\b${name}\\b`).test(body),
);

const source = `// Generated by scripts/generate-operators.ts from the schemas of LibTorch ${native.buildInfo().runtimeVersion}. Do not edit.

import type { ${imports.join(', ')} } from '../tensor/dtype.js';
import type { Generator } from '../tensor/random.js';
import type { Tensor } from '../tensor/tensor.js';
${body}`;

const target = join(dirname(fileURLToPath(import.meta.url)), '..', 'lib', 'generated', 'operators.ts');
mkdirSync(dirname(target), { recursive: true });
writeFileSync(target, source);
console.log(
  `${methods.length} methods and ${[...functions.values()].reduce((sum, entries) => sum + entries.length, 0)} functions of LibTorch ${native.buildInfo().runtimeVersion}`,
);
