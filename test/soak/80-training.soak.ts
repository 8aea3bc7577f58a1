// A training run that is killed at random moments, again and again, and goes on each time, ends with the bytes of a run that was
// left alone.

import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';

const kills = Math.ceil(200 * Number(process.env.ISOTORCH_SOAK ?? 1));
const entry = new URL('../../dist/index.js', import.meta.url).href;

const child = `
  import { data, losses, models, nn, torch, training } from ${JSON.stringify(entry)};
  const { train, test } = await data.digits();
  torch.manualSeed(1);
  const model = models.convNet({ width: 4, head: losses.byName('isomax').head });
  model.registerModule('dropout', new nn.Dropout(0.2));
  const out = process.argv[1], resume = process.argv[2] === 'resume';
  await training.fit({
    model, criterion: new losses.IsoMaxLoss(), train, validation: test, epochs: Number(process.argv[3]), batchSize: 32, lr: 0.05,
    augment: [data.randomCrop(8, 1)], out, resume,
  });
  console.log('done');`;

/** Trains until the end, or until it is killed after `milliseconds`; whether it came to the end. */
function run(out: string, resume: boolean, epochs: number, milliseconds = Number.POSITIVE_INFINITY): Promise<boolean> {
  const process_ = spawn(process.execPath, [
    '--input-type=module',
    '-e',
    child,
    out,
    resume ? 'resume' : 'begin',
    String(epochs),
  ]);
  let [text, errors] = ['', ''];
  process_.stdout.on('data', (data) => {
    text += data;
  });
  process_.stderr.on('data', (data) => {
    errors += data;
  });
  const timer = Number.isFinite(milliseconds) ? setTimeout(() => process_.kill('SIGKILL'), milliseconds) : undefined;
  return new Promise((resolve, reject) =>
    process_.on('close', (code, signal) => {
      clearTimeout(timer);
      if (code !== 0 && signal !== 'SIGKILL') reject(new Error(errors));
      else resolve(text.includes('done'));
    }),
  );
}

it(`${kills} kills of a training run change nothing`, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'isotorch-kills-'));
  try {
    const start = performance.now();
    await run(join(folder, 'whole'), false, 1);
    const once = performance.now() - start; // set-up and an epoch
    // Epochs enough that it is not done before the kills are.
    const epochs = Math.ceil(kills / 2) + 3;
    const out = join(folder, 'killed');
    let done = false;
    for (let i = 0; i < kills && !done; i++)
      done = await run(out, existsSync(join(out, 'config.json')), epochs, once * (0.3 + 1.2 * Math.random()));
    if (!done) await run(out, true, epochs);
    rmSync(join(folder, 'whole'), { recursive: true });
    await run(join(folder, 'whole'), false, epochs);
    const bytes = (name: string, file: string) => readFileSync(join(folder, name, 'checkpoints', file));
    for (const file of ['last.pt', 'best.pt'])
      expect(bytes('killed', file).equals(bytes('whole', file)), file).toBe(true);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
