// The other side of a comparison as a process that waits: `await peer.time(setup, statement, count)` gives seconds.

import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface, type Interface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const python = fileURLToPath(new URL('./peer.py', import.meta.url));

export class Peer {
  private constructor(
    private readonly child: ChildProcessWithoutNullStreams,
    private readonly lines: Interface,
    /** Rejects when Python ends, whatever the reason; nobody may be waiting. */
    private readonly ended: Promise<never>,
    readonly version: string,
    readonly threads: number,
    private readonly command: string,
    private readonly args: readonly string[],
  ) {}

  static async start(command: string, args: readonly string[] = [python]): Promise<Peer> {
    const child = spawn(command, args);
    let errors = '';
    child.stderr.on('data', (data) => {
      errors += data;
    });
    const ended = new Promise<never>((_, reject) =>
      child.once('close', () => reject(new Error(`Python ended. ${errors}`))),
    );
    ended.catch(() => {});
    const lines = createInterface({ input: child.stdout });
    const [line] = (await Promise.race([once(lines, 'line'), ended])) as [string];
    const { torch, threads } = JSON.parse(line) as { torch: string; threads: number };
    return new Peer(child, lines, ended, torch, threads, command, args);
  }

  /** A fresh process of the same kind. */
  another(): Promise<Peer> {
    return Peer.start(this.command, this.args);
  }

  async time(setup: string, statement: string, count: number): Promise<number> {
    const answer = once(this.lines, 'line');
    this.child.stdin.write(`${JSON.stringify({ setup, statement, count })}\n`);
    const [line] = (await Promise.race([answer, this.ended])) as [string];
    const seconds = JSON.parse(line) as number | { error: string };
    if (typeof seconds !== 'number') throw new Error(seconds.error);
    return seconds;
  }

  end(): void {
    this.child.stdin.end();
  }
}
