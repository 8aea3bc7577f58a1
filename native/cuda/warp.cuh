// What a warp does together: all of its 32 lanes call these, always. Loops around them run over the warp's number,
// which its lanes share, so that none of them leaves early.
#pragma once

#include <cuda_runtime.h>

#include <algorithm>
#include <cstdint>

#include "kernels.h"

namespace isomax {

constexpr unsigned kAllLanes = 0xffffffffu;
constexpr int kWarps = 8;  // in a block

__device__ inline int Lane() { return static_cast<int>(threadIdx.x); }

// A kernel over `count` pieces of work, a warp each: for (w = FirstWarp(); w < count; w += WarpStride()).
__device__ inline int64_t FirstWarp() { return int64_t{blockIdx.x} * kWarps + threadIdx.y; }
__device__ inline int64_t WarpStride() { return int64_t{gridDim.x} * kWarps; }

// Every lane gets the same bits: a + b is b + a.
template <class T>
__device__ inline T WarpSum(T x) {
  for (int apart = kTile / 2; apart > 0; apart /= 2) x += __shfl_xor_sync(kAllLanes, x, apart);
  return x;
}

template <class T>
__device__ inline T WarpLargest(T x) {
  for (int apart = kTile / 2; apart > 0; apart /= 2) {
    T other = __shfl_xor_sync(kAllLanes, x, apart);
    x = other > x ? other : x;
  }
  return x;
}

// Σ_k term(k) for k < size, in T for at most kRun terms at a time and then in double, so that rounding doesn't grow
// with the size.
template <class T, class Term>
__device__ inline double WarpSumOf(int64_t size, Term term) {
  constexpr int64_t kRun = 32;
  double total = 0;
  for (int64_t begin = 0; begin < size; begin += kRun * kTile) {
    int64_t end = begin + kRun * kTile < size ? begin + kRun * kTile : size;
    T run = 0;
    for (int64_t k = begin + Lane(); k < end; k += kTile) run += term(k);
    total += double(run);
  }
  return WarpSum(total);
}

// Kernels loop where there is more work than a grid has blocks.
template <class... Parameters, class... Arguments>
void Launch(void (*kernel)(Parameters...), int64_t blocks, dim3 threads, cudaStream_t stream, Arguments... arguments) {
  cudaLaunchConfig_t config{};
  config.gridDim = dim3(static_cast<unsigned>(std::min<int64_t>(blocks, 0x7fffffff)));
  config.blockDim = threads;
  config.stream = stream;
  (void)cudaLaunchKernelEx(&config, kernel, Parameters(arguments)...);  // whoever calls asks for the last error
}

template <class... Parameters, class... Arguments>
void LaunchWarps(void (*kernel)(Parameters...), int64_t warps, cudaStream_t stream, Arguments... arguments) {
  Launch(kernel, (warps + kWarps - 1) / kWarps, dim3(kTile, kWarps), stream, arguments...);
}

}  // namespace isomax
