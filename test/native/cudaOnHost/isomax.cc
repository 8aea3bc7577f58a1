// libisomax_cuda for the host: its kernels run thread by thread (cuda_runtime.h here), its operators are registered for
// the CPU in place of libisomax's own, and its products are LibTorch's.
#include <ATen/ATen.h>
#include <torch/library.h>

#define CUDA CPU
#include "../../../native/cuda/distance.cc"
#include "../../../native/cuda/distance.cu"
#include "../../../native/cuda/entropic_loss.cc"
#include "../../../native/cuda/entropic_loss.cu"
#undef CUDA

namespace isomax {

template <class T>
void Product(Matrix<T> a, Matrix<T> b, int64_t m, int64_t n, int64_t k, bool add, T* out) {
  auto tensor = [](const Matrix<T>& matrix, int64_t rows, int64_t columns) {
    std::vector<int64_t> strides = {matrix.transposed ? 1 : matrix.stride, matrix.transposed ? matrix.stride : 1};
    return at::from_blob(const_cast<T*>(matrix.data), {rows, columns}, strides, c10::CppTypeToScalarType<T>::value);
  };
  at::Tensor result = at::from_blob(out, {m, n}, c10::CppTypeToScalarType<T>::value);
  at::Tensor product = at::mm(tensor(a, m, k), tensor(b, k, n));
  add ? result.add_(product) : result.copy_(product);
}

template void Product(Matrix<float>, Matrix<float>, int64_t, int64_t, int64_t, bool, float*);
template void Product(Matrix<double>, Matrix<double>, int64_t, int64_t, int64_t, bool, double*);

}  // namespace isomax
