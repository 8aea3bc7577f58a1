// LibTorch's OpenMP threads wait for the next piece of work by spinning, for milliseconds. On a machine that does other things
// too, they then take turns in spinning instead of computing. Training Fashion-MNIST on 2 cores beside another such
// process: 103 to 550 images/s as LibTorch comes, 700 to 1,500 with 3,000 turns, 400 with 20,000; alone on the machine:
// 4,200 as it comes, 3,500 with 1,000 turns, 4,100 with 20,000, 3,100 without any. So commands spin briefly; the library,
// which may serve small operators where every wake-up counts, leaves the choice to the program that imports it.

const TURNS = '3000';

/** Sets how long idle threads spin, unless the person has. Only before LibTorch is loaded: GNU OpenMP reads it then. */
export function spinBriefly(environment: NodeJS.ProcessEnv = process.env): void {
  if (environment.OMP_WAIT_POLICY === undefined) environment.GOMP_SPINCOUNT ??= TURNS;
}
