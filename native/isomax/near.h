// Which squared distances may come from a matrix product, for the kernels of every device. Nothing is included, for the
// reason that rows.h gives.
#pragma once

#ifdef __CUDACC__
#define ISOMAX_ANYWHERE __host__ __device__
#else
#define ISOMAX_ANYWHERE
#endif

namespace isomax {

// Squared distances that are this small against the squared norms are computed from coordinate differences.
//
// d² = ‖f‖² + ‖p‖² − 2f·p cancels: with S = ‖f‖² + ‖p‖² and u the unit roundoff (2⁻²⁴ in float32), a GEMM in float32
// is off by κuS/2 in f·p and norms and sums by at most 3uS, so the distance is off, relatively, by
//
//   ½·(κ + 3)·u·S/d²  ≤  8·(κ + 3)·u   wherever d² ≥ S/16.
//
// The worst case of rounding is κ = d, which no GEMM comes near; errors that are independent give a multiple of √k,
// k being the length that the GEMM sums in one go (Higham & Mary, SIAM J. Sci. Comput. 41, 2019). Measured with MKL, on
// features that point the same way (the worst that we found): κ at most 13 for d from 32 to 16384. That makes
// 8·16·u = 7.6e-6, which is what 1/16 was chosen for.
constexpr double kNear = 1.0 / 16;

// False for NaN and where the squares overflow: differences then give what they give in cdist.
template <class T>
ISOMAX_ANYWHERE inline bool IsFar(T squared_distance, T squared_norms) {
  constexpr T kInfinity = T(__builtin_inf());
  return (squared_distance >= T(kNear) * squared_norms) & (squared_norms < kInfinity);
}

// The same question once the logit is known, so that both directions take the same pairs from differences.
template <class T>
ISOMAX_ANYWHERE inline bool IsNear(T logit, T squared_norms) {
  return logit * logit < T(kNear) * squared_norms;
}

// 0 where it is subnormal: subnormal operands make a product many times slower on some processors, and devices that
// flush them and those that don't agree.
template <class T>
ISOMAX_ANYWHERE inline T Normal(T x) {
  constexpr T kSmallest = T(sizeof(T) == 4 ? 1.1754943508222875e-38 : 2.2250738585072014e-308);
  return x > -kSmallest && x < kSmallest ? T(0) : x;
}

// What a pair's difference is weighted with in the gradient: g/d, and 0 at distance 0.
template <class T>
ISOMAX_ANYWHERE inline T Coefficient(T grad, T logit) {
  return logit == 0 ? T(0) : Normal(grad / -logit);
}

}  // namespace isomax
