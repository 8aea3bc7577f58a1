// A number that schedules move, such as a learning rate: a number to those who read and set it, and one tensor per device to
// the kernels. The tensors stay the same for the optimizer's life and are filled again, so that a recorded step takes a
// schedule's values without a new record.

import { inRange } from '../known/optimSettings.js';
import { capture, type Device, type Tensor, tidy, torch } from '../tensor/index.js';

export class Rate {
  #value: number;
  readonly #name: string;
  readonly #tensors = new Map<Device, Tensor>();

  /** @throws ERR_ARGUMENT unless it is a finite number of 0 or more. */
  constructor(value: number, name: string) {
    this.#value = inRange(value, name);
    this.#name = name;
  }

  get value(): number {
    return this.#value;
  }

  set value(value: number) {
    this.#value = inRange(value, this.#name);
    tidy(() => {
      for (const tensor of this.#tensors.values()) tensor.fill_(value);
    });
  }

  /**
   * For parameters on that device. CUDA's kernels read a float32 on the device; all others read a number on the CPU, in
   * float64, so that it is exactly the number that was set.
   */
  on(device: Device): Tensor {
    const place = device.startsWith('cuda') ? device : 'cpu';
    let tensor = this.#tensors.get(place);
    if (tensor === undefined) {
      const dtype = place === 'cpu' ? 'float64' : 'float32';
      tensor = capture.outside(() => torch.full([], this.#value, { dtype, device: place }).keep());
      this.#tensors.set(place, tensor);
    }
    return tensor;
  }
}
