// The kernels of rows.h on LibTorch's threads.
#pragma once

#include <ATen/Parallel.h>
#include <ATen/Version.h>

#include <algorithm>
#include <string>
#include <type_traits>

#include "rows.h"

namespace isomax {

// Those for the instruction set that LibTorch has chosen for its own.
template <class T>
const RowKernels<T>& Kernels() {
  static const KernelTable& table = []() -> const KernelTable& {
#ifdef ISOMAX_X86
    std::string chosen = at::get_cpu_capability();
    if (chosen == "AVX512") return kAvx512Kernels;
    if (chosen == "AVX2") return kAvx2Kernels;
#endif
    return kBaselineKernels;
  }();
  if constexpr (std::is_same_v<T, float>) {
    return table.f32;
  } else {
    return table.f64;
  }
}

constexpr int64_t kGrain = 32768;  // elements that are worth a thread, as in ATen

// fn(begin, end) for rows of so many elements.
template <class F>
void ForRows(int64_t rows, int64_t elements, F fn) {
  at::parallel_for(0, rows, std::max<int64_t>(1, kGrain / std::max<int64_t>(1, elements)), fn);
}

}  // namespace isomax
