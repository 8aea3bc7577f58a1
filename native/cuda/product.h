// Matrix products in full float32 and float64, whatever the process's switches for TF32 say.
#pragma once

#include <cstdint>

namespace isomax {

// A matrix that lies row by row, `stride` numbers apart, or its transpose.
template <class T>
struct Matrix {
  const T* data;
  int64_t stride;
  bool transposed = false;
};

// out = a·b, or out += a·b; out is [m, n] without gaps, a [m, k], b [k, n]; m, n, k > 0. On the current stream.
template <class T>
void Product(Matrix<T> a, Matrix<T> b, int64_t m, int64_t n, int64_t k, bool add, T* out);

}  // namespace isomax
