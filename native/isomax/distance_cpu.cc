// The distance head on the CPU as matrix products: one forward, two backward.
//
//   d²_ij = ‖f_i‖² + ‖p_j‖² − 2 f_i·p_j, and where that cancels (rows.h says where) from differences again
//   a_ij = g_ij/d_ij,   grad_F = A·P − diag(A·1)·F,   grad_P = Aᵀ·F − diag(Aᵀ·1)·P
//
// The gradients cancel for the same pairs, so these are left out of A and added one by one, a_ij·(f_i − p_j). Far pairs
// lose at most a factor √S/d ≤ 4 of the GEMM's own accuracy, relative to Σ|g|.
//
// An offset that the prototypes have in common makes every pair a near one. Then their mean is subtracted from both
// sides, which changes no difference; it costs a copy of each, so it is done only where it at least halves Σ‖p‖².
#include <ATen/Context.h>
#include <ATen/Dispatch.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/mm.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "distance.h"
#include "parallel.h"
#include "rows.h"

namespace isomax {
namespace {

// Both sides as the matrix products take them, with their squared norms.
template <class T>
struct Points {
  at::Tensor f, p;              // as they were given
  at::Tensor f_moved, p_moved;  // minus a common centre, or the same as f and p
  std::vector<T> f2, p2;        // squared norms of the moved rows
  int64_t n, c, d;

  Points(const at::Tensor& features, const at::Tensor& prototypes)
      : f(Working(features)),
        p(Working(prototypes)),
        f_moved(f),
        p_moved(p),
        f2(f.size(0)),
        p2(p.size(0)),
        n(f.size(0)),
        c(p.size(0)),
        d(f.size(1)) {
    std::vector<T> centre = Measure(p, p2);
    T all = 0, common = 0;
    for (T square : p2) all += square;
    for (T& sum : centre) {
      sum /= T(std::max<int64_t>(1, c));
      common += sum * sum;
    }
    if (common * T(c) > all / 2) {  // Σ‖p − m‖² = Σ‖p‖² − C‖m‖²
      f_moved = Move(f, centre, f2);
      p_moved = Move(p, centre, p2);
    } else {
      Measure(f, f2);
    }
  }

 private:
  // Squared norms of the rows into `squares`; returns the sum of the rows. Parts are fixed, so that the result does not
  // depend on the number of threads.
  std::vector<T> Measure(const at::Tensor& x, std::vector<T>& squares) {
    int64_t rows = x.size(0), parts = std::clamp<int64_t>(rows * d / kGrain, 1, 16);
    int64_t part = (rows + parts - 1) / parts;
    std::vector<T> sums(parts * d);
    const T* data = x.const_data_ptr<T>();
    at::parallel_for(0, parts, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; i++) {
        int64_t first = std::min(rows, i * part), count = std::min(rows, first + part) - first;
        Kernels<T>().measure(data + first * d, count, d, sums.data() + i * d, squares.data() + first);
      }
    });
    for (int64_t i = 1; i < parts; i++)
      for (int64_t k = 0; k < d; k++) sums[k] += sums[i * d + k];
    sums.resize(d);
    return sums;
  }

  at::Tensor Move(const at::Tensor& x, const std::vector<T>& centre, std::vector<T>& squares) {
    at::Tensor moved = at::empty_like(x);
    const T* from = x.const_data_ptr<T>();
    T* to = moved.mutable_data_ptr<T>();
    ForRows(x.size(0), d, [&](int64_t begin, int64_t end) {
      Kernels<T>().centre(from + begin * d, centre.data(), end - begin, d, to + begin * d, squares.data() + begin);
    });
    return moved;
  }
};

// Logits out of products, for the rows from begin to end.
template <class T>
void FinishRows(const Points<T>& points, T* logits, int64_t begin, int64_t end) {
  const RowKernels<T>& kernels = Kernels<T>();
  const T* f = points.f.template const_data_ptr<T>();
  const T* p = points.p.template const_data_ptr<T>();
  int64_t c = points.c, d = points.d;
  constexpr int64_t kColumns = 64;  // prototypes at a time: those near one row are in the cache for the next
  for (int64_t first = 0; first < c; first += kColumns) {
    int64_t count = std::min(kColumns, c - first);
    for (int64_t i = begin; i < end; i++) {
      T* row = logits + i * c + first;
      int64_t left = kernels.finish(row, count, points.f2[i], points.p2.data() + first);
      for (int64_t j = 0; left > 0 && j < count;) {
        int64_t columns[kGroup];
        const T* rows[kGroup];
        double squared[kGroup];
        int size = 0;
        for (; size < kGroup && j < count; j++) {
          if (!(row[j] > 0)) continue;
          columns[size] = j;
          rows[size++] = p + (first + j) * d;
        }
        kernels.differences(f + i * d, rows, size, d, squared);
        for (int m = 0; m < size; m++) row[columns[m]] = T(-std::sqrt(squared[m]));
        left -= size;
      }
    }
  }
}

template <class T>
at::Tensor Forward(const Points<T>& points) {
  at::Tensor logits = at::mm(points.f_moved, points.p_moved.t());
  T* data = logits.mutable_data_ptr<T>();
  ForRows(points.n, points.c * 8, [&](int64_t begin, int64_t end) { FinishRows(points, data, begin, end); });
  return logits;
}

// A pair that the matrix products leave out, seen from one of its sides.
template <class T>
struct NearPair {
  int64_t other;
  T coefficient;
};
template <class T>
using NearPairs = std::vector<std::vector<NearPair<T>>>;  // by row; empty where there are none at all

// A = g/d without the near pairs, which are listed apart.
template <class T>
struct Coefficients {
  at::Tensor a;
  std::vector<T> row_sums, column_sums;
  NearPairs<T> by_row, by_column;

  Coefficients(const Points<T>& points, const at::Tensor& grad, const at::Tensor& logits)
      : a(at::empty_like(logits)), row_sums(points.n), column_sums(points.c), by_row(points.n) {
    const T* g = grad.const_data_ptr<T>();
    const T* z = logits.const_data_ptr<T>();
    T* out = a.mutable_data_ptr<T>();
    int64_t c = points.c;
    ForRows(points.n, c, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; i++) Row(points, i, g + i * c, z + i * c, out + i * c);
    });
    constexpr int64_t kColumns = 64;
    ForRows((c + kColumns - 1) / kColumns, points.n * kColumns, [&](int64_t begin, int64_t end) {
      int64_t last = std::min(c, end * kColumns);
      for (int64_t i = 0; i < points.n; i++)
        for (int64_t j = begin * kColumns; j < last; j++) column_sums[j] += out[i * c + j];
    });
    bool none = std::all_of(by_row.begin(), by_row.end(), [](const auto& pairs) { return pairs.empty(); });
    if (none) {
      by_row.clear();
      return;
    }
    by_column.resize(c);
    for (int64_t i = 0; i < points.n; i++)
      for (const NearPair<T>& pair : by_row[i]) by_column[pair.other].push_back({i, pair.coefficient});
  }

 private:
  void Row(const Points<T>& points, int64_t i, const T* grad, const T* logits, T* out) {
    T f2 = points.f2[i];
    const T* p2 = points.p2.data();
    int64_t left = Kernels<T>().coefficients(grad, logits, points.c, f2, p2, out);
    for (int64_t j = 0; left > 0 && j < points.c; j++) {
      if (!IsNear(logits[j], f2 + p2[j])) continue;
      left--;
      if (out[j] != 0) by_row[i].push_back({j, out[j]});
      out[j] = 0;
    }
    row_sums[i] = Kernels<T>().sum(out, points.c);
  }
};

// a·other − diag(sums)·own and the near pairs' part, for either side.
template <class T>
at::Tensor Gradient(const at::Tensor& a, const std::vector<T>& sums, const NearPairs<T>& near, const at::Tensor& own,
                    const at::Tensor& own_moved, const at::Tensor& other, const at::Tensor& other_moved) {
  const RowKernels<T>& kernels = Kernels<T>();
  at::Tensor grad = at::empty_like(own);
  int64_t d = own.size(1);
  const T* x = own.const_data_ptr<T>();
  const T* x_moved = own_moved.const_data_ptr<T>();
  const T* y = other.const_data_ptr<T>();
  T* out = grad.mutable_data_ptr<T>();
  ForRows(own.size(0), d, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) {
      kernels.scale(x_moved + i * d, -sums[i], d, out + i * d);
      for (size_t next = 0; !near.empty() && next < near[i].size();) {
        const T* rows[kGroup];
        T weights[kGroup];
        int size = 0;
        for (; size < kGroup && next < near[i].size(); size++, next++) {
          rows[size] = y + near[i][next].other * d;
          weights[size] = -near[i][next].coefficient;
        }
        kernels.add_differences(x + i * d, rows, weights, size, d, out + i * d);
      }
    }
  });
  return grad.addmm_(a, other_moved);
}

template <class T>
Gradients Backward(const Points<T>& points, const at::Tensor& grad, const at::Tensor& logits,
                   std::array<bool, 2> mask) {
  Coefficients<T> each(points, grad, logits);
  at::Tensor grad_f, grad_p;
  if (mask[0]) {
    grad_f = Gradient(each.a, each.row_sums, each.by_row, points.f, points.f_moved, points.p, points.p_moved);
  }
  if (mask[1]) {
    grad_p = Gradient(each.a.t(), each.column_sums, each.by_column, points.p, points.p_moved, points.f, points.f_moved);
  }
  return {grad_f, grad_p};
}

// torch.set_float32_matmul_precision('medium') lets LibTorch take products of bfloat16 where the machine has them.
bool ProductsAreRounded(at::ScalarType dtype) {
  if (dtype == at::kDouble) return false;
  auto precision = at::globalContext().float32Precision(at::Float32Backend::MKLDNN, at::Float32Op::MATMUL);
  return precision == at::Float32Precision::TF32 || precision == at::Float32Precision::BF16;
}

}  // namespace

at::Tensor DistanceLogitsCpu(const at::Tensor& features, const at::Tensor& prototypes) {
  if (ProductsAreRounded(features.scalar_type())) return DistanceLogitsAnywhere(features, prototypes);
  return AT_DISPATCH_FLOATING_TYPES(WorkingType(features), "distance_logits", [&] {
    return Forward(Points<scalar_t>(features, prototypes)).to(features.scalar_type());
  });
}

Gradients DistanceLogitsBackwardCpu(const at::Tensor& grad, const at::Tensor& features, const at::Tensor& prototypes,
                                    const at::Tensor& logits, std::array<bool, 2> mask) {
  if (ProductsAreRounded(features.scalar_type())) {
    return DistanceLogitsBackwardAnywhere(grad, features, prototypes, logits, mask);
  }
  return AT_DISPATCH_FLOATING_TYPES(features.scalar_type(), "distance_logits_backward", [&] {
    return Backward(Points<scalar_t>(features, prototypes), grad.contiguous(), logits.contiguous(), mask);
  });
}

}  // namespace isomax
