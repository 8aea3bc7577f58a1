// Ctrl-C, in two steps: the first asks a long command to stop at its next safe point and save; the second ends the process
// at once. SIGTERM asks the same way, because that is what clusters send before they take a machine back.

/** The shell's exit code for a program ended by SIGINT. */
export const INTERRUPTED = 130;

/**
 * A second signal this soon is no second key press: the terminal signals all processes of the foreground, and npm hands its
 * own signal on to its child, so that one Ctrl-C may come twice.
 */
const SAME_PRESS_MS = 300;

/**
 * Listens until the process ends: a signal that comes while a command is finishing must not cut it off.
 * @param onFirst tells the person that the signal was heard
 * @returns aborted by the first signal
 */
export function listenForInterrupt(onFirst: () => void): AbortSignal {
  const controller = new AbortController();
  let first = 0;
  const hear = (): void => {
    if (!controller.signal.aborted) {
      first = performance.now();
      controller.abort();
      onFirst();
    } else if (performance.now() - first > SAME_PRESS_MS) process.exit(INTERRUPTED);
  };
  process.on('SIGINT', hear);
  process.on('SIGTERM', hear);
  return controller.signal;
}
