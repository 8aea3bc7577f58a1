// The tools that a build needs, and the packages that bring them on Debian, Fedora, macOS and others.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { SetupError } from './progress.mjs';

const requirements = {
  compiler: {
    what: 'a C++20 compiler (g++ 11 or later, or clang++)',
    debian: 'g++',
    fedora: 'gcc-c++',
    arch: 'gcc',
    suse: 'gcc-c++',
    macos: 'xcode-select --install',
  },
  cmake: {
    what: 'cmake 3.18 or later',
    debian: 'cmake',
    fedora: 'cmake',
    arch: 'cmake',
    suse: 'cmake',
    macos: 'cmake',
  },
  maker: {
    what: 'ninja or make',
    debian: 'ninja-build',
    fedora: 'ninja-build',
    arch: 'ninja',
    suse: 'ninja',
    macos: 'ninja',
  },
  python: {
    what: 'Python 3.10 to 3.15 with venv and pip, to install LibTorch (not needed where LIBTORCH names one)',
    debian: 'python3 python3-venv',
    fedora: 'python3 python3-pip',
    arch: 'python python-pip',
    suse: 'python3 python3-pip',
    macos: 'python@3.12',
  },
};

/** Throws where Node is too old. Written so that an old Node gets as far as saying it. */
export function checkNode() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major > 20 || (major === 20 && minor >= 19)) return;
  throw new SetupError(`Node ${process.versions.node} is too old: isotorch needs 20.19 or later`, {
    next: 'install a current Node (https://nodejs.org, or your version manager), then run this again',
  });
}

/** Each tool with its version, or undefined where it is missing or too old. */
export function findTools(env = process.env) {
  const cmake = version('cmake', /version (\d+\.\d+[.\d]*)/, env);
  const [major, minor] = (cmake ?? '0.0').split('.').map(Number);
  const compilers = [env.CXX, 'g++', 'c++', 'clang++'].filter(Boolean);
  const ninja = version('ninja', /([\d.]+)/, env);
  return {
    compiler: first(compilers, (name) => named(name, version(name, /(\d+\.\d+[.\d]*)/, env))),
    cmake: major > 3 || (major === 3 && minor >= 18) ? `cmake ${cmake}` : undefined,
    maker: ninja ? `ninja ${ninja}` : named('make', version('make', /([\d.]+)/, env)),
    python: findPython(env)?.name,
  };
}

/** A Python that torch's wheels are made for, and that can make virtual environments with pip in them. */
export function findPython(env = process.env) {
  const names = [
    'python3',
    'python3.13',
    'python3.12',
    'python3.11',
    'python3.10',
    'python3.14',
    'python3.15',
    'python',
  ];
  // The real file: node-gyp puts a link of its own, in the folder that it empties, on the PATH.
  const question =
    'import os, sys, venv, ensurepip; print(os.path.realpath(sys.executable), "%d.%d.%d" % sys.version_info[:3], sep="|")';
  return first(names, (name) => {
    const answer = spawnSync(name, ['-c', question], { env, encoding: 'utf8', timeout: 20_000 });
    const [executable, number] = answer.status === 0 ? answer.stdout.trim().split('|') : [];
    const minor = Number(number?.split('.')[1]);
    return number?.startsWith('3.') && minor >= 10 && minor <= 15
      ? { executable, name: `python ${number}` }
      : undefined;
  });
}

/** What of CUDA's toolkit a build may find, where cmake/FindLibTorch.cmake looks too. It is used if LibTorch has CUDA. */
export function findCuda(env = process.env) {
  const homes = [env.CUDA_HOME, env.CUDA_PATH, '/usr/local/cuda', '/opt/cuda'].filter(Boolean);
  const compilers = ['nvcc', ...homes.map((home) => `${home}/bin/nvcc`)];
  return {
    nvcc: compilers.map((name) => version(name, /release (.*)/, env)),
    headers: homes.filter((home) => existsSync(`${home}/include/cuda_runtime_api.h`)),
    architectures: env.ISOTORCH_CUDA_ARCHITECTURES,
  };
}

/** Throws one error that names every missing tool and the command that installs them. `wanted`: keys of `findTools`. */
export function requireTools(tools, wanted) {
  const missing = wanted.filter((name) => tools[name] === undefined);
  if (missing.length === 0) return;
  if (existsSync('/etc/alpine-release')) {
    throw new SetupError('LibTorch is built for glibc, which Alpine Linux does not have', {
      next: 'use an image with glibc, such as node:22-bookworm',
    });
  }
  throw new SetupError(`Missing: ${missing.map((name) => requirements[name].what).join('; ')}`, {
    next: `${installCommand(missing)}, then run this again`,
  });
}

function installCommand(missing) {
  const packages = (system) => missing.map((name) => requirements[name][system]).join(' ');
  if (process.platform === 'darwin') {
    const brewed = missing.filter((name) => name !== 'compiler');
    const parts = missing.includes('compiler') ? [requirements.compiler.macos] : [];
    if (brewed.length > 0) parts.push(`brew install ${brewed.map((name) => requirements[name].macos).join(' ')}`);
    return parts.join(' && ');
  }
  const id = existsSync('/etc/os-release') ? readFileSync('/etc/os-release', 'utf8') : '';
  const family = /^ID(_LIKE)?=.*$/gm;
  const like = (id.match(family) ?? []).join(' ');
  const root = process.getuid?.() === 0 ? '' : 'sudo ';
  if (/fedora|rhel|centos/.test(like)) return `${root}dnf install ${packages('fedora')}`;
  if (/arch/.test(like)) return `${root}pacman -S ${packages('arch')}`;
  if (/suse/.test(like)) return `${root}zypper install ${packages('suse')}`;
  const debian = `${root}apt-get install ${packages('debian')}`;
  return /debian|ubuntu/.test(like) ? debian : `install them (on Debian: ${debian})`;
}

function version(name, pattern, env) {
  const answer = spawnSync(name, ['--version'], { env, encoding: 'utf8', timeout: 20_000 });
  return answer.status === 0 ? pattern.exec(answer.stdout)?.[1] : undefined;
}

const named = (name, number) => (number === undefined ? undefined : `${name} ${number}`);

function first(candidates, find) {
  for (const candidate of candidates) {
    const found = find(candidate);
    if (found !== undefined) return found;
  }
  return undefined;
}
