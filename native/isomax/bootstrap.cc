// AUROCs of bootstrap resamples, for lib/ood/metrics/bootstrap.ts, which says what is done and how a resample is drawn
// (resample.ts; here is the same, number for number, so that both give the same resamples):
//
//   isomax::bootstrap_auroc(below [K], up_to [K], order [U], cumulative_id, cumulative_ood, states [R, 4]) -> float64 [R]
//
// Of K known images, below and up_to say how many unknown ones have a lower score, and one not above (int32). order names
// the U unknown images from the lowest score up (int32). states are the random generators of the R resamples (int32, the bits
// of the 32-bit words of xoshiro128**), each on its own, whatever thread takes it. cumulative_… (float64) are P(count ≤ k).
#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <torch/library.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>
#include <vector>

namespace isomax {
namespace {

class Random {
 public:
  explicit Random(const int32_t* state) {
    for (int i = 0; i < 4; i++) s_[i] = uint32_t(state[i]);
  }
  uint32_t Next() {
    uint32_t result = Rotated(s_[1] * 5, 7) * 9, shifted = s_[1] << 9;
    s_[2] ^= s_[0];
    s_[3] ^= s_[1];
    s_[1] ^= s_[2];
    s_[0] ^= s_[3];
    s_[2] ^= shifted;
    s_[3] = Rotated(s_[3], 11);
    return result;
  }
  double Uniform() { return Next() / 4294967296.0; }

 private:
  static uint32_t Rotated(uint32_t word, int by) { return word << by | word >> (32 - by); }
  std::array<uint32_t, 4> s_;
};

// How often each of `size` images is drawn.
class Resampler {
 public:
  Resampler(const at::Tensor& cumulative, int64_t size)
      : cumulative_(cumulative.const_data_ptr<double>()), last_(cumulative.numel() - 1), counts_(size), undecided_(size) {
    for (int byte = 0; byte < 256; byte++) {
      uint8_t first = Count(byte / 256.0);
      table_[byte] = cumulative_[first] >= (byte + 1) / 256.0 ? first : kUndecided;
    }
  }

  const uint8_t* Draw(Random& random) {
    int64_t size = int64_t(counts_.size()), missing;
    do {
      missing = size - Poisson(random, size);
    } while (missing < 0);
    for (; missing > 0; missing--) counts_[int64_t(random.Uniform() * double(size))]++;
    return counts_.data();
  }

 private:
  static constexpr uint8_t kUndecided = 128;

  int64_t Poisson(Random& random, int64_t size) {
    int64_t total = 0, open = 0;
    for (int64_t i = 0; i < size; i += 4) {
      uint32_t word = random.Next();
      int64_t here = std::min<int64_t>(4, size - i);
      for (int64_t k = 0; k < here; k++, word >>= 8) {
        uint8_t count = table_[word & 255];
        counts_[i + k] = count;
        total += count;
        undecided_[open] = {int32_t(i + k), uint8_t(word)};  // kept only if it is: a branch would be guessed wrong
        open += count >> 7;
      }
    }
    total -= kUndecided * open;
    for (int64_t k = 0; k < open; k++) {
      auto [i, byte] = undecided_[k];
      counts_[i] = Count((byte + random.Uniform()) / 256.0);
      total += counts_[i];
    }
    return total;
  }

  uint8_t Count(double uniform) const {
    int64_t count = 0;
    while (count < last_ && uniform >= cumulative_[count]) count++;
    return uint8_t(count);
  }

  const double* cumulative_;
  int64_t last_;
  std::array<uint8_t, 256> table_;
  std::vector<uint8_t> counts_;
  std::vector<std::pair<int32_t, uint8_t>> undecided_;
};

void CheckPlaces(const char* name, const at::Tensor& places, int64_t most) {
  TORCH_CHECK(places.dim() == 1 && places.numel() > 0 && places.scalar_type() == at::kInt, "expected ", name,
              " of dtype int32 and one dimension, not empty, received ", places.scalar_type(), " ", places.sizes());
  const int32_t* data = places.const_data_ptr<int32_t>();
  for (int64_t i = 0; i < places.numel(); i++)
    TORCH_CHECK_INDEX(data[i] >= 0 && data[i] <= most, "expected ", name, " from 0 to ", most, ", received ", data[i]);
}

void CheckCumulative(const at::Tensor& cumulative) {
  TORCH_CHECK(cumulative.dim() == 1 && cumulative.numel() > 0 && cumulative.numel() <= 128 &&
                  cumulative.scalar_type() == at::kDouble,
              "expected cumulative probabilities of dtype float64, from 1 to 128 of them, received ",
              cumulative.scalar_type(), " ", cumulative.sizes());
  double mean = 0;  // above 1, the counts would hardly ever add up to no more than there are images
  for (int64_t k = 0; k < cumulative.numel(); k++) mean += 1 - cumulative.const_data_ptr<double>()[k];
  TORCH_CHECK(mean >= 0 && mean <= 1, "expected cumulative probabilities of counts whose mean is at most 1");
}

at::Tensor BootstrapAuroc(const at::Tensor& below_, const at::Tensor& up_to_, const at::Tensor& order_,
                          const at::Tensor& cumulative_id_, const at::Tensor& cumulative_ood_,
                          const at::Tensor& states_) {
  at::Tensor below = below_.contiguous(), up_to = up_to_.contiguous(), order = order_.contiguous(),
             cumulative_id = cumulative_id_.contiguous(), cumulative_ood = cumulative_ood_.contiguous(),
             states = states_.contiguous();
  int64_t known = below.numel(), unknown = order.numel();
  CheckPlaces("order", order, unknown - 1);
  CheckPlaces("below", below, unknown);
  CheckPlaces("up_to", up_to, unknown);
  TORCH_CHECK(up_to.numel() == known, "expected as many up_to as below, received ", up_to.numel(), " and ", known);
  CheckCumulative(cumulative_id);
  CheckCumulative(cumulative_ood);
  TORCH_CHECK(states.dim() == 2 && states.size(1) == 4 && states.scalar_type() == at::kInt,
              "expected states of dtype int32 and shape [R, 4], received ", states.scalar_type(), " ", states.sizes());
  at::Tensor result = at::empty({states.size(0)}, states.options().dtype(at::kDouble));
  const int32_t *lower = below.const_data_ptr<int32_t>(), *upper = up_to.const_data_ptr<int32_t>(),
                *place = order.const_data_ptr<int32_t>(), *state = states.const_data_ptr<int32_t>();
  double* to = result.mutable_data_ptr<double>();
  at::parallel_for(0, states.size(0), 1, [&](int64_t begin, int64_t end) {
    Resampler id(cumulative_id, known), ood(cumulative_ood, unknown);
    std::vector<int32_t> counted(unknown + 1);  // of the unknown images with the lowest scores
    for (int64_t r = begin; r < end; r++) {
      Random random(state + 4 * r);
      const uint8_t *times = id.Draw(random), *unknown_times = ood.Draw(random);
      for (int64_t k = 0; k < unknown; k++) counted[k + 1] = counted[k] + unknown_times[place[k]];
      int64_t twice = 0;
      for (int64_t i = 0; i < known; i++) twice += int64_t(times[i]) * (int64_t(counted[lower[i]]) + counted[upper[i]]);
      to[r] = double(twice) / 2 / (double(known) * double(unknown));
    }
  });
  return result;
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(isomax, library) {
  library.def(
      "bootstrap_auroc(Tensor below, Tensor up_to, Tensor order, Tensor cumulative_id, Tensor cumulative_ood, "
      "Tensor states) -> Tensor");
}

TORCH_LIBRARY_IMPL(isomax, CPU, library) { library.impl("bootstrap_auroc", &BootstrapAuroc); }

}  // namespace isomax
