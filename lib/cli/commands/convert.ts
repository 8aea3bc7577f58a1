// `isotorch convert`: a checkpoint into another format or precision, or with other names.

import { Command, InvalidArgumentError, Option } from 'commander';
import { printable } from '../../printable.js';
import { bytesInWords } from '../../sizes.js';
import type { DType } from '../../tensor/index.js';

interface ConvertFlags {
  dtype?: DType;
  key: string[];
  rename: (readonly [string, string])[];
  tensorsOnly?: boolean;
  weights?: boolean;
  overwrite?: boolean;
}

const help = `
The new file is safetensors if its name ends in .safetensors, and one for torch.load if it ends in .pt, .pth,
.th, .ckpt or .bin. The old one may have any name.

--rename takes pairs of beginnings: 'module.=' removes module. from the front of all keys, 'net.=model.'
exchanges it. Several may be given; of those that fit a key the first counts.

A safetensors file holds tensors by name and nothing else, and no file holds objects of Python classes.
Where there is more, the command says what, and does nothing: choose a dict inside with --key, leave the rest
out with --tensors-only, or take the weights, wherever they are, with --weights: it looks into state_dict,
model, ema and whole modules, removes module., _orig_mod. and model. from the front of all keys, and says what
it took.
A checkpoint in several files is named by its index (*.index.json) or, a distributed one, by its folder.

Examples:
  $ isotorch convert model.pth model.safetensors
  $ isotorch convert training.pth model.safetensors --key state_dict --rename 'module.='
  $ isotorch convert lightning.ckpt model.safetensors --weights
  $ isotorch convert model.safetensors half.pth --dtype float16`;

export function convertCommand(): Command {
  return new Command('convert')
    .description('Write a checkpoint in another format or precision, or with other names.')
    .argument('<in>', 'checkpoint')
    .argument('<out>', 'new file')
    .addOption(
      new Option('--dtype <name>', 'convert floating-point tensors').choices([
        ...['float64', 'float32', 'float16', 'bfloat16', 'float8_e4m3fn', 'float8_e5m2'],
      ]),
    )
    .option('--key <name>', 'take the dict under this key; again for one inside it', collect, [])
    .option('--rename <old=new>', 'change how keys begin; may be given several times', collectPair, [])
    .option('--weights', 'take the weights alone, wherever they are in the file')
    .option('--tensors-only', 'leave out what the new file cannot hold')
    .option('--overwrite', 'replace an existing file')
    .addHelpText('after', help)
    .action(convert);
}

const collect = (text: string, before: string[]): string[] => [...before, text];

function collectPair(text: string, before: (readonly [string, string])[]): (readonly [string, string])[] {
  const at = text.indexOf('=');
  if (at < 0) throw new InvalidArgumentError("Expected old=new, such as 'module.=' or 'net.=model.'.");
  return [...before, [text.slice(0, at), text.slice(at + 1)]];
}

async function convert(input: string, output: string, flags: ConvertFlags): Promise<void> {
  const { convertCheckpoint } = await import('../../checkpoint/index.js');
  const { to, tensors, nbytes, leftOut, copied, taken } = await convertCheckpoint(input, output, flags);
  if (taken) {
    const prefix = taken.prefix === '' ? '' : `, without ${printable(taken.prefix)} in front`;
    process.stderr.write(`Took the weights at ${taken.from === '' ? 'the top' : printable(taken.from)}${prefix}\n`);
  }
  for (const what of leftOut) process.stderr.write(`Left out: ${what}\n`);
  for (const [one, other] of copied)
    process.stderr.write(`Written apart, though they shared memory: ${one}, ${other}\n`);
  const kind = to === 'torch' ? 'for torch.load' : 'safetensors';
  process.stdout.write(`${output}: ${kind}, ${tensors} tensor${tensors === 1 ? '' : 's'}, ${bytesInWords(nbytes)}\n`);
}
