// The distance head's kernels on CUDA, around the matrix products of distance.cc: what comes before them (a common
// centre, squared norms) and after them (logits, near pairs from coordinate differences, gradients). The mathematics,
// and what is near, are those of the CPU: ../isomax/distance_cpu.cc and near.h.
#include "warp.cuh"

namespace isomax {
namespace {

constexpr int kMeanRows = 16;  // rows that a block sums at a time, each by a warp

__device__ inline float Root(float x) { return sqrtf(x); }
__device__ inline double Root(double x) { return sqrt(x); }

// A block for a tile of columns: their means, and this tile's part of Σ‖p‖² and of C·‖mean‖².
template <class T>
__global__ void ColumnMeans(const T* x, int64_t rows, int64_t d, double* parts, T* means) {
  __shared__ double sums[kMeanRows][kTile], squares[kMeanRows][kTile];
  for (int64_t tile = blockIdx.x; tile < Tiles(d); tile += gridDim.x) {
    int64_t k = tile * kTile + threadIdx.x;
    double sum = 0, square = 0;
    for (int64_t i = threadIdx.y; k < d && i < rows; i += kMeanRows) {
      double value = double(x[i * d + k]);
      sum += value;
      square += value * value;
    }
    sums[threadIdx.y][threadIdx.x] = sum;
    squares[threadIdx.y][threadIdx.x] = square;
    __syncthreads();
    if (threadIdx.y == 0) {  // one whole warp
      for (int y = 1; y < kMeanRows; y++) {
        sum += sums[y][threadIdx.x];
        square += squares[y][threadIdx.x];
      }
      double mean = double(T(sum / double(rows)));
      if (k < d) means[k] = T(mean);
      double all = WarpSum(square), common = WarpSum(double(rows) * mean * mean);
      if (threadIdx.x == 0) {
        parts[2 * tile] = all;
        parts[2 * tile + 1] = common;
      }
    }
    __syncthreads();  // before the next tile's numbers
  }
}

// Every warp adds up the parts for itself and clears some of the centre where it does not pay. Σ‖p − m‖² = Σ‖p‖² −
// C‖m‖²; where either is NaN or both are infinite it doesn't.
template <class T>
__global__ void ChooseCentre(const double* parts, int64_t d, T* centre) {
  double all = WarpSumOf<double>(Tiles(d), [&](int64_t tile) { return parts[2 * tile]; });
  double common = WarpSumOf<double>(Tiles(d), [&](int64_t tile) { return parts[2 * tile + 1]; });
  if (common > all / 2) return;  // the same for all: their sums are
  for (int64_t tile = FirstWarp(); tile < Tiles(d); tile += WarpStride()) {
    int64_t k = tile * kTile + Lane();
    if (k < d) centre[k] = 0;
  }
}

// A warp for each row of either side.
template <class T>
__global__ void MoveRows(Points<T> features, Points<T> prototypes, const T* centre, int64_t d) {
  for (int64_t w = FirstWarp(); w < features.rows + prototypes.rows; w += WarpStride()) {
    bool is_feature = w < features.rows;
    int64_t i = is_feature ? w : w - features.rows;
    const T* x = (is_feature ? features.x : prototypes.x) + i * d;
    T* moved = (is_feature ? features.moved : prototypes.moved) + i * d;
    double square = WarpSumOf<T>(d, [&](int64_t k) {
      T value = x[k] - centre[k];
      moved[k] = value;
      return value * value;
    });
    if (Lane() == 0) (is_feature ? features.squares : prototypes.squares)[i] = T(square);
  }
}

// A warp for a row's 32 logits: a lane each for what the product tells, all lanes together for each near pair.
template <class T>
__global__ void Finish(Points<T> features, Points<T> prototypes, int64_t d, T* logits) {
  int64_t c = prototypes.rows, tiles = Tiles(c);
  for (int64_t w = FirstWarp(); w < features.rows * tiles; w += WarpStride()) {
    int64_t i = w / tiles, first = w % tiles * kTile, j = first + Lane();
    T logit = 0;
    bool near = false;
    if (j < c) {
      T norms = features.squares[i] + prototypes.squares[j];
      T squared = norms - 2 * logits[i * c + j];
      near = !IsFar(squared, norms);
      if (!near) logit = -Root(squared);
    }
    const T* x = features.x + i * d;
    for (unsigned left = __ballot_sync(kAllLanes, near); left != 0; left &= left - 1) {
      int lane = __ffs(left) - 1;
      const T* y = prototypes.x + (first + lane) * d;
      double squared = WarpSumOf<T>(d, [&](int64_t k) {
        T difference = x[k] - y[k];
        return difference * difference;
      });
      if (Lane() == lane) logit = T(-Root(squared));
    }
    if (j < c) logits[i * c + j] = logit;
  }
}

// A warp for 32 by 32 pairs, a lane for each prototype.
template <class T>
__global__ void Coefficients(const T* grad, const T* logits, Points<T> features, Points<T> prototypes, T* a,
                             Summary<T> by_feature, Summary<T> by_prototype) {
  int64_t n = features.rows, c = prototypes.rows, across = Tiles(c), down = Tiles(n);
  for (int64_t w = FirstWarp(); w < down * across; w += WarpStride()) {
    int64_t first = w / across * kTile, tile = w % across, j = tile * kTile + Lane();
    T column_norm = j < c ? prototypes.squares[j] : T(0), column_sum = 0;
    uint32_t column_near = 0;
    for (int r = 0; r < kTile && first + r < n; r++) {
      int64_t i = first + r;
      T value = 0;
      bool near = false;
      if (j < c) {
        T logit = logits[i * c + j];
        near = IsNear(logit, features.squares[i] + column_norm);
        if (!near) value = Coefficient(grad[i * c + j], logit);
        a[i * c + j] = value;
      }
      column_sum += value;
      column_near |= uint32_t{near} << r;
      T row_sum = WarpSum(value);
      uint32_t row_near = __ballot_sync(kAllLanes, near);
      if (Lane() == 0) {
        by_feature.sums[i * across + tile] = row_sum;
        by_feature.near[i * across + tile] = row_near;
      }
    }
    if (j < c) {
      by_prototype.sums[j * down + first / kTile] = column_sum;
      by_prototype.near[j * down + first / kTile] = column_near;
    }
  }
}

constexpr int kGradientThreads = 128, kEach = 4;  // a block does 512 numbers of a row
constexpr int64_t kGradientPart = int64_t{kGradientThreads} * kEach;

template <class T>
__global__ void RowGradients(Points<T> own, Points<T> other, Summary<T> summary, const T* grad, const T* logits,
                             int64_t own_stride, int64_t other_stride, int64_t d, T* out) {
  int64_t parts = (d + kGradientPart - 1) / kGradientPart, tiles = Tiles(other.rows);
  for (int64_t b = blockIdx.x; b < own.rows * parts; b += gridDim.x) {
    int64_t i = b / parts, first = b % parts * kGradientPart + threadIdx.x;
    T mine[kEach], near[kEach];
    for (int e = 0; e < kEach; e++) {
      int64_t k = first + e * kGradientThreads;
      mine[e] = k < d ? own.x[i * d + k] : T(0);
      near[e] = 0;
    }
    double sum = 0;
    for (int64_t tile = 0; tile < tiles; tile++) {
      sum += double(summary.sums[i * tiles + tile]);
      for (uint32_t left = summary.near[i * tiles + tile]; left != 0; left &= left - 1) {
        int64_t j = tile * kTile + __ffs(left) - 1, at = i * own_stride + j * other_stride;
        T weight = Coefficient(grad[at], logits[at]);
        if (weight == 0) continue;
        for (int e = 0; e < kEach; e++) {
          int64_t k = first + e * kGradientThreads;
          if (k < d) near[e] += weight * (mine[e] - other.x[j * d + k]);
        }
      }
    }
    for (int e = 0; e < kEach; e++) {
      int64_t k = first + e * kGradientThreads;
      if (k < d) out[i * d + k] = -T(sum) * own.moved[i * d + k] - near[e];
    }
  }
}

}  // namespace

template <class T>
void FindCentre(const T* prototypes, int64_t rows, int64_t d, double* parts, T* centre, cudaStream_t stream) {
  Launch(ColumnMeans<T>, Tiles(d), dim3(kTile, kMeanRows), stream, prototypes, rows, d, parts, centre);
  LaunchWarps(ChooseCentre<T>, kWarps, stream, parts, d, centre);
}

template <class T>
void Move(Points<T> features, Points<T> prototypes, const T* centre, int64_t d, cudaStream_t stream) {
  LaunchWarps(MoveRows<T>, features.rows + prototypes.rows, stream, features, prototypes, centre, d);
}

template <class T>
void FinishLogits(Points<T> features, Points<T> prototypes, int64_t d, T* logits, cudaStream_t stream) {
  LaunchWarps(Finish<T>, features.rows * Tiles(prototypes.rows), stream, features, prototypes, d, logits);
}

template <class T>
void FindCoefficients(const T* grad, const T* logits, Points<T> features, Points<T> prototypes, T* a,
                      Summary<T> by_feature, Summary<T> by_prototype, cudaStream_t stream) {
  LaunchWarps(Coefficients<T>, Tiles(features.rows) * Tiles(prototypes.rows), stream, grad, logits, features,
              prototypes, a, by_feature, by_prototype);
}

template <class T>
void StartGradient(Points<T> own, Points<T> other, Summary<T> summary, const T* grad, const T* logits,
                   int64_t own_stride, int64_t other_stride, int64_t d, T* out, cudaStream_t stream) {
  int64_t blocks = own.rows * ((d + kGradientPart - 1) / kGradientPart);
  Launch(RowGradients<T>, blocks, dim3(kGradientThreads), stream, own, other, summary, grad, logits, own_stride,
         other_stride, d, out);
}

#define ISOMAX_FOR(T)                                                                                                 \
  template void FindCentre(const T*, int64_t, int64_t, double*, T*, cudaStream_t);                                    \
  template void Move(Points<T>, Points<T>, const T*, int64_t, cudaStream_t);                                          \
  template void FinishLogits(Points<T>, Points<T>, int64_t, T*, cudaStream_t);                                        \
  template void FindCoefficients(const T*, const T*, Points<T>, Points<T>, T*, Summary<T>, Summary<T>, cudaStream_t); \
  template void StartGradient(Points<T>, Points<T>, Summary<T>, const T*, const T*, int64_t, int64_t, int64_t, T*,    \
                              cudaStream_t);
ISOMAX_FOR(float)
ISOMAX_FOR(double)
#undef ISOMAX_FOR

}  // namespace isomax
