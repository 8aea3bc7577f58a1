// The Python whose torch a bundle builds against and compares with: the one that is named, else the active one.
import { spawnSync } from 'node:child_process';
import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, join, resolve } from 'node:path';
import { findLibTorch } from '../../dist/libtorch.js';
import { SetupError } from '../setup/progress.mjs';

const question = `
import importlib.util, json, sys
spec = importlib.util.find_spec('torch')
print(json.dumps({'version': '%d.%d.%d' % sys.version_info[:3],
                  'torch': list(spec.submodule_search_locations)[0] if spec and spec.origin else None}))`;

/**
 * `named`: what the user gave, and how ("--python"), or undefined.
 * @returns {{ python: string, version: string, libtorch: import('../../dist/libtorch.js').LibTorch }}
 */
export function findTorch(named, env = process.env) {
  const python = named ? runnable(named, env) : activePython(env);
  // Not from this folder: a folder named torch in it would be taken for the package.
  const answer = spawnSync(python, ['-c', question], { cwd: '/', env, encoding: 'utf8', timeout: 60_000 });
  if (answer.error || answer.status !== 0) {
    const why = answer.error?.message ?? answer.stderr.trim();
    throw new SetupError(`${python} could not be asked for torch: ${why || `it ended with ${answer.status}`}`, {
      next: 'name a Python that runs here, with --python PATH',
    });
  }
  const { version, torch } = JSON.parse(answer.stdout.trim().split('\n').at(-1));
  if (torch === null) {
    throw new SetupError(`The Python ${version} at ${python} has no torch`, {
      next: 'name the Python that has it, with --python PATH, or activate its environment',
    });
  }
  // Errors say what is missing: headers, a library, a version that is new enough.
  return { python, version, libtorch: findLibTorch({ ...env, LIBTORCH: torch }, { headers: true, record: null }) };
}

function activePython(env) {
  if (env.ISOTORCH_PYTHON) return runnable({ by: 'ISOTORCH_PYTHON', value: env.ISOTORCH_PYTHON }, env);
  if (env.VIRTUAL_ENV) {
    return runnable({ by: 'VIRTUAL_ENV', value: join(env.VIRTUAL_ENV, 'bin', 'python3') }, env);
  }
  const python = onPath('python3', env);
  if (python) return python;
  throw new SetupError(
    'No Python was found: looked for --python, ISOTORCH_PYTHON, VIRTUAL_ENV and python3 on the PATH',
    {
      next: 'name a Python that has torch: ./run.sh --python /path/to/python3, or load the module that brings one',
    },
  );
}

function runnable({ by, value }, env) {
  const file = value.includes('/') ? resolve(value) : onPath(value, env);
  if (file && isProgram(file)) return file;
  throw new SetupError(`${by} names ${value}, which is no program`, { next: 'name a Python that has torch' });
}

const onPath = (name, env) =>
  (env.PATH ?? '')
    .split(delimiter)
    .filter(Boolean)
    .map((folder) => join(folder, name))
    .find(isProgram);

function isProgram(file) {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false; // not there, or not for us
  }
}
