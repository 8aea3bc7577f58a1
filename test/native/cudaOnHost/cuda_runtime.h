// Takes the place of CUDA's header where native/cuda's kernels are compiled for the host, so that a test can run them
// without a device: the source as it is, a block after the other, each of its threads as a coroutine that stops where
// it waits for others. Stricter than a device: a warp's function that one of its lanes doesn't call ends the process.
#pragma once

#include <setjmp.h>
#include <ucontext.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <mutex>
#include <tuple>
#include <vector>

#include "cuda_runtime_api.h"

#define __device__
#define __global__
#define __shared__ static  // blocks run one after the other

struct dim3 {
  unsigned x, y, z;
  dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
};
inline dim3 threadIdx, blockIdx, gridDim, blockDim;

namespace host {

struct Barrier {
  int arrived = 0;
  int64_t generation = 0;
};

// A coroutine: ucontext starts it, and _longjmp, which makes no system call, goes on with it.
struct Thread {
  static constexpr size_t kStack = 64 << 10;
  ucontext_t start;
  jmp_buf place;
  std::unique_ptr<char[]> stack{new char[kStack]};
  dim3 index;
  bool started = false, done = false;
};

inline std::vector<Thread> threads;
inline std::vector<Barrier> warps;
inline std::vector<std::array<std::array<char, 8>, 2>> slots;  // two, so that a fast lane's next number spares this one
inline Barrier block;
inline size_t current;
inline ucontext_t origin;
inline jmp_buf scheduler;
inline int64_t progress;
inline const std::function<void()>* body;

inline void Yield() {
  if (_setjmp(threads[current].place) == 0) _longjmp(scheduler, 1);
}

inline void Wait(Barrier& barrier, int expected) {
  int64_t mine = barrier.generation;
  if (++barrier.arrived == expected) {
    barrier.arrived = 0;
    barrier.generation++;
    progress++;
  }
  while (barrier.generation == mine) Yield();
}

inline void Run() {
  (*body)();
  threads[current].done = true;
  progress++;
  _longjmp(scheduler, 1);
}

inline void Resume(Thread& thread) {
  threadIdx = thread.index;
  if (_setjmp(scheduler) != 0) return;
  if (thread.started) _longjmp(thread.place, 1);
  thread.started = true;
  swapcontext(&origin, &thread.start);
}

inline void RunBlock(const std::function<void()>& work) {
  size_t count = size_t{blockDim.x} * blockDim.y;
  if (threads.size() < count) threads.resize(count);
  warps.assign((count + 31) / 32, {});
  slots.resize(count);
  block = {};
  body = &work;
  for (size_t i = 0; i < count; i++) {
    Thread& thread = threads[i];
    thread.started = thread.done = false;
    thread.index = dim3(unsigned(i % blockDim.x), unsigned(i / blockDim.x));
    getcontext(&thread.start);
    thread.start.uc_stack.ss_sp = thread.stack.get();
    thread.start.uc_stack.ss_size = Thread::kStack;
    makecontext(&thread.start, Run, 0);
  }
  for (bool left = true; left;) {
    left = false;
    int64_t before = progress;
    for (current = 0; current < count; current++) {
      if (threads[current].done) continue;
      left = true;
      Resume(threads[current]);
    }
    if (left && progress == before) {
      std::fprintf(stderr, "threads wait for others that have gone another way\n");
      std::abort();
    }
  }
}

template <class T, class Read>
auto Exchange(T mine, Read read) {
  static_assert(sizeof(T) <= 8);
  size_t lane = current % 32, first = current - lane;
  Barrier& warp = warps[current / 32];
  size_t slot = warp.generation % 2;
  std::memcpy(slots[current][slot].data(), &mine, sizeof mine);
  Wait(warp, 32);
  return read(lane, [first, slot](size_t other) {
    T theirs;
    std::memcpy(&theirs, slots[first + other][slot].data(), sizeof theirs);
    return theirs;
  });
}

}  // namespace host

inline void __syncthreads() { host::Wait(host::block, int(blockDim.x * blockDim.y)); }

template <class T>
T __shfl_xor_sync(unsigned, T mine, int apart) {
  return host::Exchange(mine, [apart](size_t lane, auto of) { return of(lane ^ size_t(apart)); });
}

inline unsigned __ballot_sync(unsigned, bool mine) {
  return host::Exchange(mine, [](size_t, auto of) {
    unsigned all = 0;
    for (size_t lane = 0; lane < 32; lane++) all |= unsigned(of(lane)) << lane;
    return all;
  });
}

inline int __ffs(unsigned x) { return __builtin_ffs(int(x)); }

struct cudaLaunchConfig_t {
  dim3 gridDim, blockDim;
  cudaStream_t stream;
};

template <class... Parameters>
int cudaLaunchKernelEx(const cudaLaunchConfig_t* config, void (*kernel)(Parameters...), Parameters... arguments) {
  static std::mutex one_at_a_time;
  std::lock_guard lock(one_at_a_time);
  gridDim = dim3(std::min(config->gridDim.x, 3u));  // the kernels loop where a grid is smaller than their work
  blockDim = config->blockDim;
  std::function<void()> work = [&] { kernel(arguments...); };
  for (blockIdx.x = 0; blockIdx.x < gridDim.x; blockIdx.x++) host::RunBlock(work);
  return 0;
}
