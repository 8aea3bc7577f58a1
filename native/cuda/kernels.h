// The CUDA kernels of libisomax_cuda as plain functions that launch them, so that LibTorch's headers don't go through
// nvcc. Pointers are to the device's memory, matrices lie row by row, T is float or double. Nothing here waits for the
// device or allocates, shapes depend on shapes alone, and sums are taken in a fixed order: all of it can be captured in
// a CUDA graph, and gives the same bits each time. Sizes are above 0 where nothing else is said.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

#include "../isomax/near.h"

namespace isomax {

constexpr int64_t kTile = 32;  // a warp's width

ISOMAX_ANYWHERE constexpr int64_t Tiles(int64_t size) { return (size + kTile - 1) / kTile; }

// One side of the distances, features or prototypes, `rows` of them with d numbers each.
template <class T>
struct Points {
  const T* x;
  T* moved;    // minus the common centre
  T* squares;  // squared norms of `moved`
  int64_t rows;
};

// centre[k] = the prototypes' mean where subtracting it at least halves Σ‖p‖², else 0. `parts` has room for two
// numbers for each tile of d.
template <class T>
void FindCentre(const T* prototypes, int64_t rows, int64_t d, double* parts, T* centre, cudaStream_t stream);

// Fills in `moved` and `squares` of both.
template <class T>
void Move(Points<T> features, Points<T> prototypes, const T* centre, int64_t d, cudaStream_t stream);

// Products f·p become logits, in place.
template <class T>
void FinishLogits(Points<T> features, Points<T> prototypes, int64_t d, T* logits, cudaStream_t stream);

// What the gradient of one side needs of each of its rows and each tile of the other side's: [rows, tiles].
template <class T>
struct Summary {
  T* sums;         // of the coefficients of far pairs
  uint32_t* near;  // a bit for each near pair, which the matrix product leaves out
};

// a = g/d for far pairs, 0 for near ones.
template <class T>
void FindCoefficients(const T* grad, const T* logits, Points<T> features, Points<T> prototypes, T* a,
                      Summary<T> by_feature, Summary<T> by_prototype, cudaStream_t stream);

// The gradient of `own` but for a·other: −sum·moved and the near pairs one by one. The pair of own row i and other row
// j is at grad[i·own_stride + j·other_stride].
template <class T>
void StartGradient(Points<T> own, Points<T> other, Summary<T> summary, const T* grad, const T* logits,
                   int64_t own_stride, int64_t other_stride, int64_t d, T* out, cudaStream_t stream);

// loss = −1/n Σ log softmax(scale·z)_label, NaN for n = 0. `losses` has room for n.
template <class T>
void EntropicLossForward(const T* logits, const int64_t* labels, double scale, int64_t n, int64_t c, double* losses,
                         T* loss, cudaStream_t stream);

// out = grad·scale/n·(softmax(scale·z) − onehot(label)).
template <class T>
void EntropicLossBackward(const T* grad, const T* logits, const int64_t* labels, double scale, int64_t n, int64_t c,
                          T* out, cudaStream_t stream);

}  // namespace isomax
