// The TypeScript signatures of an operator's overload: one for every way to split its positional arguments between
// positions and the options object at the end, as in Python where they may be given by position or by name, and those with
// sizes one by one.

import type { Overload } from '../../lib/tensor/dispatch.js';
import { numbersFirst, takesSizes } from '../../lib/tensor/forms.js';

/** `numberToo`: a number may stand for the tensor. */
type Argument = Overload['arguments'][number] & { numberToo?: boolean };

const elementTypes: Record<Argument['kind'], string> = {
  Tensor: 'Tensor',
  int: 'Int',
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
export const propertyName = (key: string) => (/^[A-Za-z_$][\w$]*$/.test(key) ? key : JSON.stringify(key));

function argumentType({ kind, key, list, repeat, optional, optionalElements }: Argument): string {
  if (kind === 'int' && key === 'reduction') return 'Int | Reduction';
  let type = elementTypes[kind];
  if (list) {
    const item = optionalElements ? `${type} | null` : type;
    type = item.includes('|') ? `readonly (${item})[]` : `readonly ${item}[]`;
    if (repeat > 0) type = `${elementTypes[kind]} | ${type}`;
  }
  return optional ? `${type} | null` : type;
}

export function resultType(overload: Overload): string {
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

const parameter = (a: Argument, optional = false) =>
  `${parameterName(a.key)}${optional ? '?' : ''}: ${a.numberToo ? 'Scalar | ' : ''}${argumentType(a)}`;

function optionsType(overload: Overload, named: readonly Argument[]): string {
  const fields = named.map((a) => `${propertyName(a.key)}${a.hasDefault ? '?' : ''}: ${argumentType(a)}`);
  if (isFactory(overload)) fields.push('requiresGrad?: boolean');
  return `{ ${fields.join('; ')} }`;
}

/** Of one overload, as a method or as a function. */
export function signatures(name: string, overload: Overload, method: boolean): string[] {
  const [first, ...others] = overload.arguments.slice(method ? 1 : 0, overload.positional);
  const numberToo = !method && numbersFirst.has(name);
  const positional: Argument[] = first ? [{ ...first, numberToo }, ...others] : [];
  const keywords: Argument[] = overload.arguments.slice(overload.positional);
  const result = resultType(overload);
  const lines: string[] = [];
  // The tensor that a function works on is always given by position, and internal operators' required arguments are.
  const onTensor = !method && first?.kind === 'Tensor' && !first.list;
  const required = positional.filter(({ hasDefault }) => !hasDefault).length;
  const fewest = name.startsWith('aten::_') ? required : onTensor ? 1 : 0;
  for (let split = positional.length; split >= Math.min(fewest, positional.length); split--) {
    const before = positional.slice(0, split);
    const named = [...positional.slice(split), ...keywords];
    const mustName = split < positional.length || named.some((a) => !a.hasDefault);
    // Arguments by position may be missing only at the end, where no options have to follow.
    const parameters = before.map((a, i) => parameter(a, !mustName && before.slice(i).every((b) => b.hasDefault)));
    if (named.length > 0) parameters.push(`options${mustName ? '' : '?'}: ${optionsType(overload, named)}`);
    lines.push(`(${parameters.join(', ')}): ${result};`);
  }
  if (takesSizes(overload)) {
    const sizes = `...${parameterName(overload.arguments[overload.positional - 1]!.key)}: Int[]`;
    const before = onTensor ? `${parameter(positional[0]!)}, ` : '';
    if (!keywords.some((a) => !a.hasDefault)) lines.push(`(${before}${sizes}): ${result};`);
    if (keywords.length > 0)
      lines.push(`(${before}...sizes: [${sizes}, options: ${optionsType(overload, keywords)}]): ${result};`);
  }
  return lines;
}
