// The loops of the distance head over rows of numbers, as a table of functions. rows.cc is compiled once for each
// instruction set (see CMakeLists.txt), and Kernels() gives the table for the one that LibTorch itself has chosen, so
// one binary runs on any machine and ATEN_CPU_CAPABILITY=default or =avx2 holds for us too.
//
// Nothing of LibTorch or of the standard library's templates is included here or in rows.cc: an inline function
// compiled for AVX-512 might be the copy that the linker keeps for everybody.
#pragma once

#include <cstdint>

#include "near.h"

namespace isomax {

// At most so many rows of differences are taken at once.
constexpr int kGroup = 4;

template <class T>
struct RowKernels {
  // sums[k] += Σ_i x[i][k], squares[i] = ‖x_i‖².
  void (*measure)(const T* x, int64_t rows, int64_t d, T* sums, T* squares);
  // out[i] = x[i] − centre, squares[i] = ‖out_i‖².
  void (*centre)(const T* x, const T* centre, int64_t rows, int64_t d, T* out, T* squares);
  // Products f·p_j become logits −√(f2 + p2_j − 2f·p_j); near ones become 1, which no logit is. Returns how many.
  int64_t (*finish)(T* row, int64_t n, T f2, const T* p2);
  // squared[m] = ‖x − y_m‖² for m < group, from differences.
  void (*differences)(const T* x, const T* const* y, int group, int64_t d, double* squared);
  // a_j = grad_j / distance_j, 0 at distance 0 and where subnormal (subnormal operands make a GEMM many times
  // slower on some processors). Returns how many pairs are near.
  int64_t (*coefficients)(const T* grad, const T* logits, int64_t n, T f2, const T* p2, T* a);
  // Σ_k x[k]
  T (*sum)(const T* x, int64_t d);
  // out = factor·x
  void (*scale)(const T* x, T factor, int64_t d, T* out);
  // out += Σ_m weights[m]·(x − y_m) for m < group.
  void (*add_differences)(const T* x, const T* const* y, const T* weights, int group, int64_t d, T* out);
  // −log softmax(scale·z)_label
  double (*entropic_loss)(const T* z, T scale, int64_t n, int64_t label);
  // out = factor·(softmax(scale·z) − onehot(label)), 0 where subnormal.
  void (*entropic_gradient)(const T* z, T scale, int64_t n, int64_t label, double factor, T* out);
};

struct KernelTable {
  RowKernels<float> f32;
  RowKernels<double> f64;
};

extern const KernelTable kBaselineKernels;
#ifdef ISOMAX_X86
extern const KernelTable kAvx2Kernels, kAvx512Kernels;
#endif

}  // namespace isomax
