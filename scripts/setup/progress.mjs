// What set-up tells while it works: a line for each step with its time. On a terminal the line of the running step shows
// the tool's last line; elsewhere (CI, a file) the same comes as a plain line now and then.
import { spawn } from 'node:child_process';

const interactive = process.stdout.isTTY === true;
const plainInterval = 15_000; // milliseconds between plain lines of one step
const nameWidth = 12;
const tailLines = 60;
const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'];

/** A failure that is told with the end of the tool's output and what to do about it. */
export class SetupError extends Error {
  constructor(message, { next, tail } = {}) {
    super(message);
    this.next = next;
    this.tail = tail;
  }
}

export class Step {
  #name;
  #start = performance.now();
  #lastPlain = performance.now();

  constructor(name) {
    this.#name = name;
    this.update('…');
  }

  /** What it is doing just now. */
  update(text) {
    if (interactive) process.stdout.write(`\r\x1b[2K${this.#line(text)}`);
    else if (performance.now() - this.#lastPlain > plainInterval) {
      this.#lastPlain = performance.now();
      console.log(this.#line(text));
    }
  }

  /** How it ended, for good. */
  done(text) {
    console.log(`${interactive ? '\r\x1b[2K' : ''}${this.#line(text)}`);
  }

  /** A line of its own, such as a notice. */
  note(text) {
    console.log(`${interactive ? '\r\x1b[2K' : ''}  ${this.#name.padEnd(nameWidth)}${text}`);
  }

  #line(text) {
    const time = seconds(performance.now() - this.#start);
    const room = interactive ? Math.max(20, (process.stdout.columns ?? 100) - nameWidth - time.length - 6) : 100;
    const short = text.length > room ? `${text.slice(0, room - 1)}…` : text;
    return `  ${this.#name.padEnd(nameWidth)}${short}  ${time}`;
  }

  /**
   * Runs a tool to its end, showing `label` until it says something, then its last line as `show` puts it.
   * Throws a SetupError if it fails, unless `allowFailure`. Returns its exit code and the end of its output.
   */
  async run(command, args, { label = '…', next, env = process.env, cwd, allowFailure = false, show = same } = {}) {
    const tail = [];
    // A group of its own, so that stopping set-up stops the tool with everything that it has started.
    const group = process.platform !== 'win32';
    const child = spawn(command, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'], detached: group });
    const stop = (signal) => {
      if (child.pid !== undefined) process.kill(group ? -child.pid : child.pid, 'SIGTERM');
      console.log('\nSet-up was stopped. Run it again to go on: what is complete is kept.');
      process.exit(signal === 'SIGINT' ? 130 : 143);
    };
    for (const signal of signals) process.once(signal, stop);
    // Time goes on even while the tool is silent, as compilers and pip are.
    let latest = label;
    this.update(latest);
    const clock = setInterval(() => this.update(latest), 1000);
    for (const stream of [child.stdout, child.stderr]) {
      let rest = '';
      stream.setEncoding('utf8');
      stream.on('data', (text) => {
        const lines = (rest + text).split(/[\r\n]+/);
        rest = lines.pop() ?? '';
        for (const line of lines.filter((line) => line.trim())) {
          tail.push(line);
          if (tail.length > tailLines) tail.shift();
          latest = show(line.trim()) ?? latest;
          this.update(latest);
        }
      });
      stream.on('end', () => rest.trim() && tail.push(rest));
    }
    const code = await new Promise((resolve, reject) => {
      child.on('error', (error) =>
        reject(new SetupError(`${command} could not be started: ${error.message}`, { next })),
      );
      child.on('close', (code, signal) => resolve(code ?? signal));
    }).finally(() => {
      clearInterval(clock);
      for (const signal of signals) process.removeListener(signal, stop);
    });
    if (code !== 0 && !allowFailure) {
      throw new SetupError(`${[command, ...args].join(' ')} ended with ${code}`, { next, tail: tail.join('\n') });
    }
    return { code, tail: tail.join('\n') };
  }
}

const same = (line) => line;

export function seconds(milliseconds) {
  if (milliseconds < 100_000) return `${(milliseconds / 1000).toFixed(1)} s`;
  const whole = Math.round(milliseconds / 1000);
  return `${Math.floor(whole / 60)} min ${whole % 60} s`;
}
