// The rate up once and down far below where it began, momentum the other way round (Smith & Topin 2019), stepped after every
// batch.

import { expected, IsotorchError } from '../../errors.js';
import { field } from '../../fields.js';
import type { ParamGroup } from '../paramGroup.js';
import { LRScheduler, type Scheduled, type ScheduleOptions } from './lrScheduler.js';
import { beginCycle, setMomentum, spread, usesBeta1 } from './momentum.js';

/** A stretch of the cycle: to which step it goes, and between which values, by their names in the group. */
interface Phase {
  end: number;
  lr: ['initialLr' | 'maxLr', 'initialLr' | 'maxLr' | 'minLr'];
  momentum: ['maxMomentum' | 'baseMomentum', 'maxMomentum' | 'baseMomentum'];
}

/**
 * `torch.optim.lr_scheduler.OneCycleLR`.
 * @throws ERR_ARGUMENT for settings out of range, or an optimizer without momentum unless `cycleMomentum` is false; in `step`
 *   after the last step
 * @example new optim.lrScheduler.OneCycleLR(optimizer, { maxLr: 0.1, epochs: 10, stepsPerEpoch: loader.length });
 */
export class OneCycleLR extends LRScheduler<'OneCycleLR'> {
  #total: number;
  #phases: Phase[];

  constructor(optimizer: Scheduled, options: ScheduleOptions<'OneCycleLR'>) {
    super('OneCycleLR', optimizer, options);
    const { settings } = this;
    const { totalSteps, epochs, stepsPerEpoch } = settings;
    if (totalSteps === null && (epochs === null || stepsPerEpoch === null))
      throw new IsotorchError('ERR_ARGUMENT', 'OneCycleLR: expected totalSteps, or epochs and stepsPerEpoch');
    this.#total = totalSteps ?? epochs! * stepsPerEpoch!;
    this.#phases = phasesOf(this.#total, settings.pctStart, settings.threePhase);
    if (this.epoch === -1) {
      const maxLrs = spread(settings.maxLr, optimizer, 'maxLr');
      for (const [i, group] of optimizer.paramGroups.entries()) {
        group.initialLr = maxLrs[i]! / settings.divFactor;
        group.maxLr = maxLrs[i]!;
        group.minLr = group.initialLr / settings.finalDivFactor;
      }
      if (settings.cycleMomentum) {
        const base = spread(settings.baseMomentum, optimizer, 'baseMomentum');
        beginCycle(optimizer, base, spread(settings.maxMomentum, optimizer, 'maxMomentum'));
      }
    }
    this.begin();
  }

  override step(): void {
    if (this.epoch >= this.#total)
      throw new IsotorchError(
        'ERR_ARGUMENT',
        `OneCycleLR: expected at most ${this.#total} steps; step it once after each batch`,
      );
    super.step();
  }

  protected override rate(_lr: number, _base: number, i: number): number {
    const group = this.optimizer.paramGroups[i]!;
    return this.#value(group, ({ lr }) => lr);
  }

  protected override moveMomentum(): void {
    if (!this.settings.cycleMomentum) return;
    for (const group of this.optimizer.paramGroups)
      if (group.baseMomentum !== undefined)
        setMomentum(
          group,
          this.#value(group, ({ momentum }) => momentum),
        );
  }

  #value(group: ParamGroup, ends: (phase: Phase) => Phase['lr'] | Phase['momentum']): number {
    let start = 0;
    for (const [i, phase] of this.#phases.entries()) {
      if (this.epoch <= phase.end || i === this.#phases.length - 1) {
        const part = (this.epoch - start) / (phase.end - start);
        const [from, to] = ends(phase).map((name) => group[name] as number) as [number, number];
        if (this.settings.annealStrategy === 'linear') return (to - from) * part + from;
        return to + ((from - to) / 2) * (Math.cos(Math.PI * part) + 1);
      }
      start = phase.end;
    }
    return group.lr;
  }

  protected override packed(): Record<string, unknown> {
    const names = {
      initialLr: 'initial_lr',
      maxLr: 'max_lr',
      minLr: 'min_lr',
      maxMomentum: 'max_momentum',
      baseMomentum: 'base_momentum',
    };
    const phases = this.#phases.map(({ end, lr, momentum }) => ({
      end_step: end,
      start_lr: names[lr[0]],
      end_lr: names[lr[1]],
      start_momentum: names[momentum[0]],
      end_momentum: names[momentum[1]],
    }));
    const { annealStrategy, cycleMomentum } = this.settings;
    return {
      total_steps: this.#total,
      _schedule_phases: phases,
      _anneal_func_type: annealStrategy,
      cycle_momentum: cycleMomentum,
      ...(cycleMomentum && { use_beta1: usesBeta1(this.optimizer) }),
    };
  }

  protected override extra(dict: unknown): () => void {
    const total = field(dict, 'total_steps') ?? this.#total;
    if (!Number.isSafeInteger(total)) throw expected('a whole number', 'total_steps', total);
    const saved = field(dict, '_schedule_phases');
    const ends = Array.isArray(saved) ? saved.map((phase) => field(phase, 'end_step')) : undefined;
    if (
      ends !== undefined &&
      !((ends.length === 2 || ends.length === 3) && ends.every((end) => typeof end === 'number'))
    )
      throw expected('two or three phases with an end_step', '_schedule_phases', saved);
    const strategy = field(dict, '_anneal_func_type') === 'linear' ? 'linear' : 'cos';
    return () => {
      this.#total = total as number;
      this.settings.annealStrategy = strategy;
      if (ends === undefined) return;
      this.#phases = phasesOf(this.#total, 0, ends.length === 3);
      for (const [i, phase] of this.#phases.entries()) phase.end = ends[i] as number;
    };
  }
}

function phasesOf(total: number, pctStart: number, isThree: boolean): Phase[] {
  const end = pctStart * total - 1;
  const up: Phase = { end, lr: ['initialLr', 'maxLr'], momentum: ['maxMomentum', 'baseMomentum'] };
  if (!isThree) return [up, { end: total - 1, lr: ['maxLr', 'minLr'], momentum: ['baseMomentum', 'maxMomentum'] }];
  return [
    up,
    { end: 2 * pctStart * total - 2, lr: ['maxLr', 'initialLr'], momentum: ['baseMomentum', 'maxMomentum'] },
    { end: total - 1, lr: ['initialLr', 'minLr'], momentum: ['maxMomentum', 'maxMomentum'] },
  ];
}
