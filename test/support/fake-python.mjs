#!/usr/bin/env node
// A python3 for tests of set-up: it makes "virtual environments" with itself in them, and its pip "installs" a torch
// package of empty files in no time. FAKE_PYTHON_LOG gets a line for every pip install, with its process id; FAKE_PYTHON_DELAY (milliseconds)
// makes pip slow, and FAKE_PYTHON_REFUSES (a regular expression) names the requirements that pip can't find.
import { appendFileSync, copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const self = fileURLToPath(import.meta.url);
const [option, what, ...args] = process.argv.slice(2);
const { FAKE_PYTHON_LOG: log, FAKE_PYTHON_DELAY: delay = '0', FAKE_PYTHON_REFUSES: refuses = '^$' } = process.env;

if (option === '-c') {
  if (what.includes('ensurepip')) console.log(`${process.argv[1]}|3.11.0`);
  else if (what.includes('find_spec')) console.log('null');
} else if (what === 'venv') {
  const bin = join(args[0], 'bin');
  mkdirSync(bin, { recursive: true });
  writeFileSync(join(args[0], 'pyvenv.cfg'), 'home = /nowhere\n');
  writeFileSync(join(bin, 'package.json'), '{ "type": "module" }');
  copyFileSync(self, join(bin, 'python3'));
} else if (what === 'pip' && args[0] === '--version') {
  console.log('pip 23.2.1 from /nowhere (python 3.11)');
} else if (what === 'pip') {
  const requirement = args.at(-1);
  appendFileSync(log, `${process.pid} ${args.join(' ')}\n`);
  if (new RegExp(refuses).test(args.join(' '))) {
    console.error(`ERROR: No matching distribution found for ${requirement}`);
    process.exit(1);
  }
  if (requirement.startsWith('torch==')) installTorch(requirement);
}

function installTorch(requirement) {
  const torch = join(dirname(dirname(self)), 'lib', 'python3.11', 'site-packages', 'torch');
  mkdirSync(join(torch, 'lib'), { recursive: true });
  mkdirSync(join(torch, 'include', 'ATen'), { recursive: true });
  writeFileSync(join(torch, 'lib', 'libc10.so'), '');
  setTimeout(() => {
    for (const name of ['libtorch_cpu.so', 'libtorch.so', 'libgomp.so.1']) writeFileSync(join(torch, 'lib', name), '');
    writeFileSync(join(torch, 'include', 'ATen', 'ATen.h'), '');
    writeFileSync(join(torch, 'version.py'), `__version__ = '${requirement.slice('torch=='.length)}'\n`);
  }, Number(delay));
}
