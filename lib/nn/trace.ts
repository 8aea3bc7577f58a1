// Each class's `forward` is wrapped once, when its first instance is made, in a function that runs the module's hooks and
// tells an error where in the model it happened: "in Net.classifier (Linear 64 → 10)". On its way up through the nested
// forwards the error gathers the names of the fields, from the layer that failed to the model that was called.

import { IsotorchError } from '../errors.js';
import type { Hooks } from './hooks.js';
import type { AnyModule } from './module.js';

type Forward = (this: AnyModule, ...inputs: unknown[]) => unknown;

const wrapped = new WeakSet<object>();

/** Wraps `forward` of the class and of those it extends, up to `base`, which has none. `hooksOf`: a module's hooks, if any. */
export function traceForward(
  moduleClass: object,
  base: object,
  hooksOf: (module: AnyModule) => Hooks | undefined,
): void {
  let prototype = (moduleClass as { prototype: object }).prototype;
  while (prototype !== base && !wrapped.has(prototype)) {
    wrapped.add(prototype);
    const forward = Object.getOwnPropertyDescriptor(prototype, 'forward')?.value as Forward | undefined;
    if (typeof forward === 'function') {
      const traced = function (this: AnyModule, ...inputs: unknown[]): unknown {
        try {
          const hooks = hooksOf(this);
          // Hooks belong to the call from outside, not to what its forward asks of a class above (`super.forward`).
          const outermost = hooks !== undefined && Object.getPrototypeOf(this).forward === traced;
          return outermost ? hooks.run(this, forward, inputs) : forward.apply(this, inputs);
        } catch (error) {
          throw error instanceof IsotorchError ? located(error, this) : error;
        }
      };
      Object.defineProperty(traced, 'name', { value: 'forward' });
      Object.defineProperty(prototype, 'forward', { value: traced, writable: true, configurable: true });
    }
    prototype = Object.getPrototypeOf(prototype);
  }
}

interface Trail {
  /** The error's own message. */
  message: string;
  /** The module whose forward failed, in a few words. */
  brief: string;
  /** Names from `outermost` down to that module. */
  names: string[];
  outermost: AnyModule;
}

const trails = new WeakMap<IsotorchError, Trail>();

function located(error: IsotorchError, module: AnyModule): IsotorchError {
  const trail = trails.get(error);
  if (trail === undefined) {
    trails.set(error, { message: error.message, brief: module.brief(), names: [], outermost: module });
  } else if (trail.outermost !== module) {
    for (const [name, child] of module.namedModules()) {
      if (child !== trail.outermost) continue;
      trail.names.unshift(name);
      break;
    }
    trail.outermost = module;
  }
  rewrite(error, trails.get(error) as Trail);
  return error;
}

function rewrite(error: IsotorchError, { message, brief, names, outermost }: Trail): void {
  const place = names.length === 0 ? brief : `${[outermost.constructor.name, ...names].join('.')} (${brief})`;
  const { message: before, stack } = error; // the stack begins with the message: it is changed there too
  error.message = `${message}\n  in ${place}`;
  if (stack !== undefined) error.stack = stack.replace(before, () => error.message);
}
