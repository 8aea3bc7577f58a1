// Where numbers come from: versions, machine, device, threads, the commit of the code that asked. Written beside every run,
// so that a result can be understood, and repeated, long after.

import { execFileSync } from 'node:child_process';
import { arch, availableParallelism, cpus, platform, release } from 'node:os';
import { packageVersion } from '../libtorch.js';
import { type Device, torch } from '../tensor/index.js';

export interface EnvironmentRecord {
  readonly isotorch: string;
  readonly libtorch: string;
  readonly node: string;
  /** Such as `linux-x64 6.1.0`. */
  readonly platform: string;
  readonly cpu: string;
  readonly cores: number;
  /** What was computed on. */
  readonly device: string;
  /** Threads that one operator may use. */
  readonly threads: number;
  /** Of the working directory's git repository, with `-dirty` where files have changed; null outside one. */
  readonly commit: string | null;
  /** When it was taken down, in ISO 8601. */
  readonly date: string;
  readonly [key: string]: string | number | null;
}

/** This process, machine and moment. @param device what is computed on; by default the accelerator, else the CPU */
export function describeEnvironment(device: Device = torch.accelerator() ?? 'cpu'): EnvironmentRecord {
  return {
    isotorch: packageVersion(),
    libtorch: torch.version,
    node: process.versions.node,
    platform: `${platform()}-${arch()} ${release()}`,
    cpu: cpus()[0]?.model.trim() || 'unknown',
    cores: availableParallelism(),
    device,
    threads: torch.getNumThreads(),
    commit: commitOf(process.cwd()),
    date: new Date().toISOString(),
  };
}

function commitOf(directory: string): string | null {
  try {
    return execFileSync('git', ['describe', '--always', '--dirty', '--abbrev=40', '--exclude=*'], {
      cwd: directory,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
      timeout: 5000,
    }).trim();
  } catch {
    return null; // no git, no repository or no commit: nothing to tell
  }
}
