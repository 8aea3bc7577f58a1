// A tensor as Python's PyTorch prints it (`repr`): its values, then what they don't tell.

import { type Handle, type NativePrinted, native } from '../../native.js';
import { shortest } from './numbers.js';
import { getPrintOptions, type PrintOptions } from './options.js';
import { valuesText } from './values.js';

const tuple = (sizes: readonly number[]): string => (sizes.length === 1 ? `(${sizes[0]},)` : `(${sizes.join(', ')})`);

/** Dtypes that show in the values; in an empty tensor only float32 goes without saying. */
const evident: ReadonlySet<string> = new Set(['float32', 'complex64', 'int64', 'bool']);

/** Python gives these operators a number as a tensor, so that it never sees the nodes of their forms for numbers. */
const nodesOfNumbers: Record<string, string> = {
  AddBackward1: 'AddBackward0',
  SubBackward1: 'SubBackward0',
  MulBackward1: 'MulBackward0',
  DivBackward1: 'DivBackward0',
  DivBackward3: 'DivBackward2',
};

/** Text in brackets with what follows it, in lines of the wanted length. */
function withSuffixes(
  text: string,
  suffixes: readonly string[],
  indent: number,
  newLine: boolean,
  width: number,
): string {
  let result = text;
  let column = text.length - text.lastIndexOf('\n') + 1;
  suffixes.forEach((suffix, i) => {
    if ((newLine && i === 0) || column + suffix.length + 2 > width) {
      result += `,\n${' '.repeat(indent)}${suffix}`;
      column = indent + suffix.length;
    } else {
      result += `, ${suffix}`;
      column += suffix.length + 2;
    }
  });
  return `${result})`;
}

/** The tensors that a sparse one consists of, one below the other. */
function partsText({ parts = [] }: NativePrinted, indent: number, options: PrintOptions): string {
  const texts = parts.map(({ name, dtype, shape, values }) => {
    const prefix = `${name}=tensor(`;
    const text = values ? valuesText(values, dtype, indent + prefix.length, options) : '...';
    return `${prefix}${text}${!values || shape.includes(0) ? `, size=${tuple(shape)}` : ''})`;
  });
  return texts.join(`,\n${' '.repeat(indent)}`);
}

/** What stands in the brackets, and what of the shape, the dtype and the like it leaves untold. */
function contentOf(printed: NativePrinted, indent: number, options: PrintOptions): [text: string, suffixes: string[]] {
  const { shape = [], dtype, values, nested, parts, nnz, scheme } = printed;
  const size = `size=${tuple(shape)}`;
  const untold = evident.has(dtype) ? [] : [`dtype=torch.${dtype}`];
  if (nested) {
    const lines = nested.map((part) => `  ${reprOf(part, options).replaceAll('\n', '\n  ')}`);
    return [`[\n${lines.join(',\n')}\n]`, []];
  }
  if (parts)
    return [partsText(printed, indent, options), [size, ...(nnz === undefined ? [] : [`nnz=${nnz}`]), ...untold]];
  if (!values) return ['...', [size, ...(dtype === 'float32' ? [] : [`dtype=torch.${dtype}`])]];
  const text = valuesText(values, scheme ? 'float32' : dtype, indent, options);
  if (scheme) {
    const { scale, zeroPoint, axis } = printed;
    const parameters = [
      `scale=${typeof scale === 'object' ? reprOf(scale, options) : shortest(scale as number)}`,
      `zero_point=${typeof zeroPoint === 'object' ? reprOf(zeroPoint, options) : zeroPoint}`,
      ...(axis === undefined ? [] : [`axis=${axis}`]),
    ];
    return [text, [size, ...untold, `quantization_scheme=torch.${scheme}`, ...parameters]];
  }
  if (shape.includes(0))
    return [text, [...(shape.length === 1 ? [] : [size]), ...(dtype === 'float32' ? [] : [`dtype=torch.${dtype}`])]];
  return [text, [...(options.edgeitems === 0 ? [size] : []), ...untold]];
}

function reprOf(printed: NativePrinted, options: PrintOptions): string {
  const { device, layout, gradFn, requiresGrad } = printed;
  const prefix = printed.nested ? 'nested_tensor(' : 'tensor(';
  const [text, suffixes] = contentOf(printed, prefix.length, options);
  if (device !== 'cpu') suffixes.unshift(`device='${device}'`);
  if (layout !== 'strided') suffixes.push(`layout=torch.${layout}`);
  if (gradFn !== '') suffixes.push(`grad_fn=<${nodesOfNumbers[gradFn] ?? gradFn}>`);
  else if (requiresGrad) suffixes.push('requires_grad=True');
  return withSuffixes(prefix + text, suffixes, prefix.length, layout === 'sparse_coo', options.linewidth);
}

/** The tensor as `repr(tensor)` in Python, under the settings in force. Without values while a step is recorded. */
export function repr(tensor: Handle): string {
  const options = getPrintOptions();
  return reprOf(native.printed(tensor, options.threshold, options.edgeitems), options);
}
