// Everything that a training run needs to go on as if it had never stopped: weights, optimizer, schedule, averages, where it stood,
// sums of the epoch in hand, the loss scaling, and the state of the random numbers of CPU and device. The loader's place follows
// from epoch, step and seed. One file, written atomically, in PyTorch's format: Python reads it with torch.load(path,
// weights_only=True) and finds the weights under 'model'.

import { types } from 'node:util';
import type { GradScaler } from '../amp/index.js';
import { loadTorch, saveTorch } from '../checkpoint/index.js';
import { IsotorchError } from '../errors.js';
import type { Module } from '../nn/index.js';
import type { Optimizer, OptimizerStateSource, Schedule } from '../optim/index.js';
import { type Device, Tensor, tidy, torch } from '../tensor/index.js';
import type { Averaging } from './averaging.js';
import type { Meter } from './meter.js';
import type { Pace } from './pace.js';

export interface TrainingParts {
  readonly model: Pick<Module, 'stateDict' | 'loadStateDict'>;
  readonly optimizer: Optimizer;
  readonly schedule: Schedule | undefined;
  readonly scaler: GradScaler;
  readonly meter: Pick<Meter, 'state' | 'loadState' | 'reset'>;
  readonly averaging: Pick<Averaging<unknown, never[]>, 'stateDict' | 'loadStateDict'> | undefined;
  readonly pace: Pace;
  /** The model's. */
  readonly device: Device;
  /** Of the settings: `hashOf(config)`. */
  readonly configHash: string;
}

const FORMAT = 'isotorch training state';
const VERSION = 1;

export class TrainingState {
  /** The epoch in hand, counted from 0; equal to the number of epochs when all are done. */
  epoch = 0;
  /** Steps done in it. */
  step = 0;
  readonly #parts: TrainingParts;

  constructor(parts: TrainingParts) {
    this.#parts = parts;
  }

  nextEpoch(): void {
    this.epoch++;
    this.step = 0;
    this.#parts.pace.seconds = 0;
    this.#parts.meter.reset();
  }

  async save(path: string): Promise<void> {
    const { model, optimizer, schedule, scaler, meter, averaging, pace, device, configHash } = this.#parts;
    const content = {
      format: FORMAT,
      version: VERSION,
      config_hash: configHash,
      epoch: this.epoch,
      step: this.step,
      seconds: pace.seconds,
      sums: meter.state(),
      rng: torch.getRngState(),
      device_rng: device === 'cpu' ? null : torch.getRngState(device),
      model: model.stateDict(),
      optimizer: optimizer.stateDict(),
      schedule: schedule?.stateDict() ?? null,
      scaler: scaler.stateDict(),
      averaged: averaging?.stateDict() ?? null,
    };
    try {
      await saveTorch(path, content);
    } finally {
      disposeAll(content);
    }
  }

  /**
   * Puts everything back as it was when `path` was saved.
   * @throws ERR_FORMAT when the file is no training state; ERR_STATE_DICT when it belongs to other settings, or to
   *   another model or optimizer
   */
  async load(path: string): Promise<void> {
    const { model, optimizer, schedule, scaler, meter, averaging, pace, device, configHash } = this.#parts;
    const file = await loadTorch<Map<string, unknown>>(path, { device });
    try {
      if (!types.isMap(file) || file.get('format') !== FORMAT || file.get('version') !== VERSION)
        throw new IsotorchError('ERR_FORMAT', `${path} is not a training state of version ${VERSION} of isotorch`);
      if (file.get('config_hash') !== configHash)
        throw new IsotorchError(
          'ERR_STATE_DICT',
          `${path} was saved by a run with other settings (config hash ${String(file.get('config_hash')).slice(0, 12)}… instead of ` +
            `${configHash.slice(0, 12)}…): was it copied from another run directory?`,
        );
      model.loadStateDict(file.get('model') as Map<string, Tensor>);
      optimizer.loadStateDict(file.get('optimizer') as OptimizerStateSource);
      schedule?.loadStateDict(file.get('schedule') as Map<string, unknown>);
      scaler.loadStateDict(file.get('scaler') as Map<string, unknown>);
      averaging?.loadStateDict(file.get('averaged') as Map<string, Tensor>);
      meter.loadState(file.get('sums') as Tensor);
      tidy(() => {
        torch.setRngState((file.get('rng') as Tensor).to('cpu'));
        const ofDevice = file.get('device_rng') as Tensor | null;
        if (ofDevice && device !== 'cpu') torch.setRngState(ofDevice.to('cpu'), device);
      });
      this.epoch = file.get('epoch') as number;
      this.step = file.get('step') as number;
      pace.seconds = file.get('seconds') as number;
    } finally {
      disposeAll(file);
    }
  }
}

/** Frees the tensors of a tree of Maps, arrays and objects. */
function disposeAll(value: unknown): void {
  if (value instanceof Tensor) value.dispose();
  else if (types.isMap(value) || Array.isArray(value)) for (const item of value.values()) disposeAll(item);
  else if (typeof value === 'object' && value !== null) for (const item of Object.values(value)) disposeAll(item);
}
