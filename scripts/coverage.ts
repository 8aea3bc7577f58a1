// Writes docs/coverage.md: which of PyTorch's public names are here. With a Python that has torch, `--names <python>` first
// reads the names anew.

import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { namesPath, page, readNames } from './coverage/page.js';

const [flag, python] = process.argv.slice(2);
if (flag === '--names') {
  const script = fileURLToPath(new URL('coverage/names.py', import.meta.url));
  const { status, stdout, stderr } = spawnSync(python ?? 'python3', [script], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${python} ${script} ended with ${status}\n${stderr}`);
  writeFileSync(namesPath, `${JSON.stringify(JSON.parse(stdout), null, 2)}\n`);
}
const target = new URL('../docs/coverage.md', import.meta.url);
writeFileSync(target, page(readNames()));
console.log(`written: ${fileURLToPath(target)}`);
