// The loops of rows.h for one instruction set: compiled with ISOMAX_TABLE=kAvx2Kernels and -mavx2, and so on.
//
// Sums run in several lanes of vectors (GCC's and Clang's vector extension: operators on registers of any width), and
// block by block into a double, so that rounding grows with the root of a block and not of d.
#include "rows.h"

namespace isomax {
namespace {

#if defined(__AVX512F__)
constexpr int kBytes = 64;
#elif defined(__AVX__)
constexpr int kBytes = 32;
#else
constexpr int kBytes = 16;
#endif

template <class T>
struct Lanes;
template <>
struct Lanes<float> {
  typedef float Vector __attribute__((vector_size(kBytes)));
};
template <>
struct Lanes<double> {
  typedef double Vector __attribute__((vector_size(kBytes)));
};
template <class T>
using Vector = typename Lanes<T>::Vector;

template <class T>
constexpr int64_t kLanes = kBytes / int64_t{sizeof(T)};

constexpr int64_t kBlock = 1024;  // of one sum in T

template <class T>
inline Vector<T> Load(const T* x) {
  Vector<T> v;
  __builtin_memcpy(&v, x, sizeof v);
  return v;
}

template <class T>
inline void Store(Vector<T> v, T* x) {
  __builtin_memcpy(x, &v, sizeof v);
}

template <class T>
inline double Total(Vector<T> v) {
  double total = 0;
  for (int64_t i = 0; i < kLanes<T>; i++) total += double(v[i]);
  return total;
}

template <class T>
inline T Root(T x) {
  return T(sizeof(T) == 4 ? __builtin_sqrtf(float(x)) : __builtin_sqrt(double(x)));
}

// Σ_k of up to kGroup rows at once: `vector(k, m)` are the terms of row m from k on, `scalar(k, m)` is one of them.
template <class T, int group, class F, class G>
inline void Sum(int64_t d, F vector, G scalar, double* totals) {
  constexpr int64_t lanes = kLanes<T>;
  for (int m = 0; m < group; m++) totals[m] = 0;
  int64_t k = 0;
  while (k + lanes <= d) {
    Vector<T> even[group] = {}, odd[group] = {};
    int64_t end = d - k < kBlock ? d : k + kBlock;
    for (; k + 2 * lanes <= end; k += 2 * lanes) {
      for (int m = 0; m < group; m++) {
        even[m] += vector(k, m);
        odd[m] += vector(k + lanes, m);
      }
    }
    for (; k + lanes <= end; k += lanes)
      for (int m = 0; m < group; m++) even[m] += vector(k, m);
    for (int m = 0; m < group; m++) totals[m] += Total<T>(even[m] + odd[m]);
  }
  for (; k < d; k++)
    for (int m = 0; m < group; m++) totals[m] += double(scalar(k, m));
}

template <class T>
void Measure(const T* x, int64_t rows, int64_t d, T* sums, T* squares) {
  for (int64_t i = 0; i < rows; i++, x += d) {
    auto square = [&](int64_t k, int) {
      Vector<T> v = Load(x + k);
      Store<T>(Load(sums + k) + v, sums + k);
      return v * v;
    };
    auto tail = [&](int64_t k, int) {
      sums[k] += x[k];
      return x[k] * x[k];
    };
    double total;
    Sum<T, 1>(d, square, tail, &total);
    squares[i] = T(total);
  }
}

template <class T>
void Centre(const T* x, const T* centre, int64_t rows, int64_t d, T* out, T* squares) {
  for (int64_t i = 0; i < rows; i++, x += d, out += d) {
    auto square = [&](int64_t k, int) {
      Vector<T> v = Load(x + k) - Load(centre + k);
      Store<T>(v, out + k);
      return v * v;
    };
    auto tail = [&](int64_t k, int) {
      T v = out[k] = x[k] - centre[k];
      return v * v;
    };
    double total;
    Sum<T, 1>(d, square, tail, &total);
    squares[i] = T(total);
  }
}

template <class T>
int64_t Finish(T* row, int64_t n, T f2, const T* p2) {
  int near = 0;
  for (int64_t j = 0; j < n; j++) {
    T norms = f2 + p2[j];
    T squared = norms - 2 * row[j];
    bool far = IsFar(squared, norms);
    row[j] = far ? -Root(squared) : T(1);
    near += !far;
  }
  return near;
}

template <class T, int group>
void DifferencesOf(const T* x, const T* const* y, int64_t d, double* squared) {
  auto terms = [&](int64_t k, int m) {
    Vector<T> v = Load(x + k) - Load(y[m] + k);
    return v * v;
  };
  auto tail = [&](int64_t k, int m) {
    T v = x[k] - y[m][k];
    return v * v;
  };
  Sum<T, group>(d, terms, tail, squared);
}

template <class T>
void Differences(const T* x, const T* const* y, int group, int64_t d, double* squared) {
  if (group == kGroup) return DifferencesOf<T, kGroup>(x, y, d, squared);
  for (int m = 0; m < group; m++) DifferencesOf<T, 1>(x, y + m, d, squared + m);
}

template <class T>
int64_t Coefficients(const T* grad, const T* logits, int64_t n, T f2, const T* p2, T* a) {
  int near = 0;
  for (int64_t j = 0; j < n; j++) {
    a[j] = Coefficient(grad[j], logits[j]);
    near += IsNear(logits[j], f2 + p2[j]);
  }
  return near;
}

template <class T>
T SumOf(const T* x, int64_t d) {
  double total;
  Sum<T, 1>(
      d, [&](int64_t k, int) { return Load(x + k); }, [&](int64_t k, int) { return x[k]; }, &total);
  return T(total);
}

template <class T>
void Scale(const T* x, T factor, int64_t d, T* out) {
  for (int64_t k = 0; k < d; k++) out[k] = factor * x[k];
}

template <class T, int group>
void AddDifferencesOf(const T* x, const T* const* y, const T* weights, int64_t d, T* out) {
  for (int64_t k = 0; k < d; k++) {
    T sum = 0;
    for (int m = 0; m < group; m++) sum += weights[m] * (x[k] - y[m][k]);
    out[k] += sum;
  }
}

template <class T>
void AddDifferences(const T* x, const T* const* y, const T* weights, int group, int64_t d, T* out) {
  if (group == kGroup) return AddDifferencesOf<T, kGroup>(x, y, weights, d, out);
  for (int m = 0; m < group; m++) AddDifferencesOf<T, 1>(x, y + m, weights + m, d, out);
}

template <class T>
T Largest(const T* x, int64_t n) {
  constexpr int64_t lanes = kLanes<T>;
  Vector<T> largest = Vector<T>{} - T(__builtin_inf());
  int64_t k = 0;
  for (; k + lanes <= n; k += lanes) {
    Vector<T> v = Load(x + k);
    largest = v > largest ? v : largest;
  }
  T result = -T(__builtin_inf());
  for (int64_t i = 0; i < lanes; i++) result = largest[i] > result ? largest[i] : result;
  for (; k < n; k++) result = x[k] > result ? x[k] : result;
  return result;
}

// e^x for x ≤ 0, 0 where that is subnormal. e^x = 2^n·e^r with n whole and |r| ≤ ln 2/2, e^r by its Taylor series.
inline float Exponential(float x) {
  constexpr float kRound = 12582912.0f;  // 1.5·2²³: adding it leaves no digits after the point
  float shifted = x * 1.44269504f + kRound;
  float n = shifted - kRound;
  float r = (x - n * 0.693359375f) - n * -2.12194440e-4f;  // ln 2 in two parts, the first one exact times n
  float e = 1 / 720.f + r * (1 / 5040.f);
  e = 1 / 6.f + r * (1 / 24.f + r * (1 / 120.f + r * e));
  e = 1 + r * (1 + r * (1 / 2.f + r * e));
  uint32_t power = (__builtin_bit_cast(uint32_t, shifted) + 127) << 23;  // 2^n: the low bits of `shifted` are n
  return x < -87.33f ? 0.0f : e * __builtin_bit_cast(float, power);
}
inline double Exponential(double x) { return x < -708.0 ? 0.0 : __builtin_exp(x); }

template <class T>
void Exponentials(const T* z, T scale, T largest, int64_t n, T* out) {
  for (int64_t j = 0; j < n; j++) out[j] = Exponential(scale * (z[j] - largest));
}

template <class T>
double EntropicLoss(const T* z, T scale, int64_t n, int64_t label) {
  T largest = Largest(z, n), block[kBlock];
  double sum = 0;
  for (int64_t first = 0; first < n; first += kBlock) {
    int64_t count = n - first < kBlock ? n - first : kBlock;
    Exponentials(z + first, scale, largest, count, block);
    sum += double(SumOf(block, count));
  }
  return __builtin_log(sum) - double(scale) * double(z[label] - largest);
}

template <class T>
void EntropicGradient(const T* z, T scale, int64_t n, int64_t label, double factor, T* out) {
  Exponentials(z, scale, Largest(z, n), n, out);
  T share = T(factor / double(SumOf(out, n)));
  for (int64_t j = 0; j < n; j++) out[j] = Normal(share * out[j]);
  out[label] -= T(factor);
}

template <class T>
constexpr RowKernels<T> kKernels = {Measure<T>, Centre<T>, Finish<T>,         Differences<T>,  Coefficients<T>,
                                    SumOf<T>,   Scale<T>,  AddDifferences<T>, EntropicLoss<T>, EntropicGradient<T>};

}  // namespace

const KernelTable ISOMAX_TABLE = {kKernels<float>, kKernels<double>};

}  // namespace isomax
