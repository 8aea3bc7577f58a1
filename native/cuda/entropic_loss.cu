// The entropic loss on CUDA: a warp for each row of logits. The mean is a kernel of its own, since blocks that add to
// one number would do so in another order each time. What is below the smallest normal number is 0, as on the CPU.
#include <c10/macros/Macros.h>

#include "warp.cuh"

namespace isomax {
namespace {

__device__ inline float Exponential(float x) { return x < -87.33f ? 0.0f : expf(x); }
__device__ inline double Exponential(double x) { return x < -708.0 ? 0.0 : exp(x); }

template <class T>
__device__ inline T RowLargest(const T* z, int64_t c) {
  T largest = -T(__builtin_inf());
  for (int64_t j = Lane(); j < c; j += kTile) largest = z[j] > largest ? z[j] : largest;
  return WarpLargest(largest);
}

template <class T>
__device__ inline double RowSum(const T* z, T scale, T largest, int64_t c) {
  return WarpSumOf<T>(c, [&](int64_t j) { return Exponential(scale * (z[j] - largest)); });
}

// A label that is no class ends the process's use of the device, as in LibTorch's own losses: to throw, the host would
// have to wait.
__device__ inline int64_t Label(const int64_t* labels, int64_t i, int64_t c) {
  int64_t label = labels[i];
  CUDA_KERNEL_ASSERT(label >= 0 && label < c && "expected labels below the number of classes");
  return label;
}

template <class T>
__global__ void RowLosses(const T* logits, const int64_t* labels, T scale, int64_t n, int64_t c, double* losses) {
  for (int64_t i = FirstWarp(); i < n; i += WarpStride()) {
    const T* z = logits + i * c;
    int64_t label = Label(labels, i, c);
    T largest = RowLargest(z, c);
    double sum = RowSum(z, scale, largest, c);
    if (Lane() == 0) losses[i] = log(sum) - double(scale) * double(z[label] - largest);
  }
}

// One block of kWarps warps.
template <class T>
__global__ void Mean(const double* losses, int64_t n, T* loss) {
  __shared__ double sums[kWarps];
  double sum = 0;
  for (int64_t i = int64_t{threadIdx.y} * kTile + Lane(); i < n; i += kWarps * kTile) sum += losses[i];
  sum = WarpSum(sum);
  if (Lane() == 0) sums[threadIdx.y] = sum;
  __syncthreads();
  if (threadIdx.y == 0 && Lane() == 0) {
    for (int w = 1; w < kWarps; w++) sum += sums[w];
    loss[0] = T(sum / double(n));
  }
}

template <class T>
__global__ void LossGradients(const T* grad, const T* logits, const int64_t* labels, T scale, int64_t n, int64_t c,
                              T* out) {
  for (int64_t i = FirstWarp(); i < n; i += WarpStride()) {
    const T* z = logits + i * c;
    int64_t label = Label(labels, i, c);
    double factor = double(grad[0]) * double(scale) / double(n);
    T largest = RowLargest(z, c);
    T share = T(factor / RowSum(z, scale, largest, c));
    for (int64_t j = Lane(); j < c; j += kTile) {
      T value = Normal(share * Exponential(scale * (z[j] - largest)));
      out[i * c + j] = j == label ? value - T(factor) : value;
    }
  }
}

}  // namespace

template <class T>
void EntropicLossForward(const T* logits, const int64_t* labels, double scale, int64_t n, int64_t c, double* losses,
                         T* loss, cudaStream_t stream) {
  if (n > 0) LaunchWarps(RowLosses<T>, n, stream, logits, labels, T(scale), n, c, losses);
  Launch(Mean<T>, 1, dim3(kTile, kWarps), stream, losses, n, loss);
}

template <class T>
void EntropicLossBackward(const T* grad, const T* logits, const int64_t* labels, double scale, int64_t n, int64_t c,
                          T* out, cudaStream_t stream) {
  LaunchWarps(LossGradients<T>, n, stream, grad, logits, labels, T(scale), n, c, out);
}

#define ISOMAX_FOR(T)                                                                                               \
  template void EntropicLossForward(const T*, const int64_t*, double, int64_t, int64_t, double*, T*, cudaStream_t); \
  template void EntropicLossBackward(const T*, const T*, const int64_t*, double, int64_t, int64_t, T*, cudaStream_t);
ISOMAX_FOR(float)
ISOMAX_FOR(double)
#undef ISOMAX_FOR

}  // namespace isomax
