// Products by cuBLAS itself and not by at::mm: distances that come from products of TF32's 11 bits are wrong in the
// fourth digit, and LibTorch's switch for them is the whole process's, which nobody may turn for a moment. Its guard
// for one thread is heeded where a handle of cuBLAS is given out, but not by all the ways that at::mm goes.
//
// cuBLAS is a dependency of libtorch_cuda, through which the loader finds it.
#include "product.h"

#include <ATen/Context.h>
#include <ATen/cuda/CUDAContextLight.h>
#include <ATen/cuda/Exceptions.h>

namespace isomax {
namespace {

cublasStatus_t Gemm(cublasHandle_t handle, cublasOperation_t a, cublasOperation_t b, int64_t m, int64_t n, int64_t k,
                    const float* one, const float* x, int64_t ldx, const float* y, int64_t ldy, const float* beta,
                    float* out, int64_t ldo) {
  return cublasSgemm_64(handle, a, b, m, n, k, one, x, ldx, y, ldy, beta, out, ldo);
}

cublasStatus_t Gemm(cublasHandle_t handle, cublasOperation_t a, cublasOperation_t b, int64_t m, int64_t n, int64_t k,
                    const double* one, const double* x, int64_t ldx, const double* y, int64_t ldy, const double* beta,
                    double* out, int64_t ldo) {
  return cublasDgemm_64(handle, a, b, m, n, k, one, x, ldx, y, ldy, beta, out, ldo);
}

}  // namespace

template <class T>
void Product(Matrix<T> a, Matrix<T> b, int64_t m, int64_t n, int64_t k, bool add, T* out) {
  at::NoTF32Guard full_precision;  // sets the handle's mode; the handle is this thread's, with its stream and workspace
  cublasHandle_t handle = at::cuda::getCurrentCUDABlasHandle();
  auto operation = [](const Matrix<T>& matrix) { return matrix.transposed ? CUBLAS_OP_T : CUBLAS_OP_N; };
  const T one = 1, beta = add ? 1 : 0;
  // cuBLAS counts by columns, so it sees each matrix transposed: outᵀ = bᵀ·aᵀ.
  TORCH_CUDABLAS_CHECK(
      Gemm(handle, operation(b), operation(a), n, m, k, &one, b.data, b.stride, a.data, a.stride, &beta, out, n));
}

template void Product(Matrix<float>, Matrix<float>, int64_t, int64_t, int64_t, bool, float*);
template void Product(Matrix<double>, Matrix<double>, int64_t, int64_t, int64_t, bool, double*);

}  // namespace isomax
