// What a person sees while a network trains: one line on a terminal that fits it, plain lines elsewhere.
import { describe, expect, it } from 'vitest';
import { duration, ProgressPrinter, percent, progressLine } from '../lib/cli/progress.js';
import type { Job } from '../lib/evaluation/plan.js';
import type { Progress } from '../lib/training/pace.js';

const progress: Progress = {
  phase: 'train',
  epoch: 2,
  epochs: 4,
  step: 215,
  steps: 430,
  loss: 0.43124,
  accuracy: 0.8491,
  imagesPerSecond: 2512.4,
  secondsLeft: 65.2,
};

function stream(isTTY: boolean, columns = 120) {
  const written: string[] = [];
  return {
    written,
    text: () => written.join(''),
    asStream: { isTTY, columns, write: (text: string) => written.push(text) > 0 } as unknown as NodeJS.WriteStream,
  };
}

describe('progressLine', () => {
  it('tells bar, steps, rate, loss, accuracy and time left', () => {
    expect(progressLine(progress, 120)).toBe(
      'epoch 2/4 ━━━━━━━━━━━━──────────── 215/430  2,512 images/s  loss 0.4312  accuracy 84.9 %  left 1:05',
    );
    expect(progressLine({ ...progress, phase: 'validate' }, 120)).toMatch(/215\/430 {2}validating/);
  });

  it('shortens the bar, then leaves it out, to stay within the terminal', () => {
    for (let columns = 80; columns <= 160; columns++)
      expect(progressLine(progress, columns).length).toBeLessThan(Math.max(columns, 80));
    expect(progressLine(progress, 76)).not.toContain('━');
    expect(progressLine(progress, 92)).toContain('━');
  });

  it('fills the bar from nothing to all', () => {
    const bar = (step: number) => progressLine({ ...progress, step }, 120).match(/[━─]+/)![0];
    expect(bar(0)).toBe('─'.repeat(24));
    expect(bar(430)).toBe('━'.repeat(24));
  });
});

describe('words', () => {
  it.each([
    [0, '0:00'],
    [59.6, '1:00'],
    [75.4, '1:15'],
    [3725, '1:02:05'],
    [Number.NaN, '-:--'],
    [Number.POSITIVE_INFINITY, '-:--'],
  ])('%d seconds are %s', (seconds, text) => expect(duration(seconds)).toBe(text));

  it('percentages have one decimal', () => expect([percent(0.9225), percent(1)]).toEqual(['92.3 %', '100.0 %']));
});

describe('ProgressPrinter', () => {
  it('redraws one line on a terminal, never wider than it, and wipes it before anything else', () => {
    const { asStream, written, text } = stream(true, 60);
    const printer = new ProgressPrinter({ stream: asStream });
    printer.step(progress, 'IsoMax+');
    printer.step({ ...progress, step: 216 }, 'IsoMax+');
    printer.line('A message.');
    expect(text()).not.toMatch(/\n.*\n/);
    const visible = written.slice(0, 2).map((part) => part.replace('\r\x1b[2K', ''));
    for (const line of visible) {
      expect(line).toMatch(/^IsoMax\+ {2}epoch 2\/4 .*…$/);
      expect(line.length).toBe(59);
    }
    expect(text().endsWith('\r\x1b[2KA message.\n')).toBe(true);
  });

  it('writes plain lines elsewhere, one every ten seconds and one an epoch', () => {
    const { asStream, text } = stream(false);
    let now = 0;
    const printer = new ProgressPrinter({ stream: asStream, now: () => now });
    for (; now < 25_000; now += 100) printer.step(progress);
    printer.epoch(
      { epoch: 2, loss: 0.4, accuracy: 0.85, learningRate: 0.0854, seconds: 22.31, imagesPerSecond: 2465 },
      4,
    );
    printer.epoch(
      {
        ...{ epoch: 3, loss: 0.4, accuracy: 0.85, learningRate: 0.05, seconds: 22.31, imagesPerSecond: 2465 },
        validation: { loss: 0.5, accuracy: 0.87 },
      },
      4,
    );
    printer.clear();
    expect(text()).toBe(
      [
        'epoch 2/4  215/430  2,512 images/s  loss 0.4312  accuracy 84.9 %  left 1:05',
        'epoch 2/4  215/430  2,512 images/s  loss 0.4312  accuracy 84.9 %  left 1:05',
        'epoch 2/4  loss 0.4000  accuracy 85.0 %  lr 0.0854  22.3 s  2,465 images/s',
        'epoch 3/4  loss 0.4000  accuracy 85.0 %  validation 87.0 %  lr 0.05  22.3 s  2,465 images/s',
        '',
      ].join('\n'),
    );
    expect(text()).not.toContain('\x1b');
  });

  it('tells which job of a manifest is in hand', () => {
    const job: Job = { kind: 'train', id: 'train/a-s0', network: 'a-s0', needs: [], usesModel: true };
    const { asStream, text } = stream(true);
    const printer = new ProgressPrinter({ stream: asStream });
    const base = { job, done: 4, total: 20, images: null, training: null };
    printer.manifest(base);
    printer.manifest({ ...base, images: { done: 1, total: 8 } });
    expect(text()).toBe('\r\x1b[2K5/20  train/a-s0\r\x1b[2K5/20  train/a-s0  12.5 %');
  });

  it('tells which set an evaluation is at', () => {
    const { asStream, text } = stream(true);
    const job: Job = { kind: 'train', id: 'extract/a-s0/kmnist', network: 'a-s0', needs: [], usesModel: true };
    const images = { done: 25, total: 100 };
    new ProgressPrinter({ stream: asStream }).manifest({ job, done: 4, total: 20, images, training: null }, 'SoftMax');
    expect(text()).toBe('\r\x1b[2KSoftMax  5/20  extract/a-s0/kmnist  25.0 %');
  });
});
