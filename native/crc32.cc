// Eight bytes a step by tables; where the processor multiplies without carries, 64 bytes a step by folding: a block is
// congruent modulo the polynomial to its two halves times x^n mod P, which lie one step further on. After V. Gopal et
// al., "Fast CRC Computation for Generic Polynomials Using PCLMULQDQ Instruction" (Intel, 2009), whose section on
// reflected bits gives the constants' form; they are computed here.
#include "crc32.h"

#include <array>
#include <cstring>

#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>
#define ISOTORCH_FOLDS 1
#endif

namespace isotorch {
namespace {

constexpr uint32_t kPolynomial = 0xEDB88320;

constexpr uint32_t TimesX(uint32_t value) { return (value >> 1) ^ (value & 1 ? kPolynomial : 0); }

struct Tables {
  std::array<std::array<uint32_t, 256>, 8> of{};
  constexpr Tables() {
    for (uint32_t byte = 0; byte < 256; byte++) {
      uint32_t crc = byte;
      for (int bit = 0; bit < 8; bit++) crc = TimesX(crc);
      of[0][byte] = crc;
    }
    for (size_t k = 1; k < 8; k++)
      for (size_t byte = 0; byte < 256; byte++) of[k][byte] = (of[k - 1][byte] >> 8) ^ of[0][of[k - 1][byte] & 255];
  }
};
constexpr Tables kTables;

// On the register, which is the complement of the checksum.
uint32_t ByTables(uint32_t state, const uint8_t* data, size_t length) {
  const auto& of = kTables.of;
  for (; length >= 8; data += 8, length -= 8) {
    uint64_t word;
    std::memcpy(&word, data, 8);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    word ^= state;
    state = 0;
    for (int k = 0; k < 8; k++) state ^= of[7 - k][word >> (8 * k) & 255];
  }
  for (; length > 0; data++, length--) state = (state >> 8) ^ of[0][(state ^ *data) & 255];
  return state;
}

#ifdef ISOTORCH_FOLDS
// x^n mod P, bits reflected, one place to the left, as the instruction's product of reflected operands needs it.
constexpr int64_t Power(int n) {
  uint32_t value = 0x80000000;  // 1
  for (int i = 0; i < n; i++) value = TimesX(value);
  return static_cast<int64_t>(value) << 1;
}

__attribute__((target("pclmul,sse4.1"))) inline __m128i Folded(__m128i block, __m128i powers, __m128i next) {
  __m128i low = _mm_clmulepi64_si128(block, powers, 0x00), high = _mm_clmulepi64_si128(block, powers, 0x11);
  return _mm_xor_si128(_mm_xor_si128(low, high), next);
}

// `length`: at least 64. Folds all whole 16 bytes into one block and leaves that and the rest to the tables.
__attribute__((target("pclmul,sse4.1"))) uint32_t ByFolding(uint32_t state, const uint8_t* data, size_t length) {
  auto load = [](const uint8_t* from) __attribute__((target("sse4.1"))) {
    return _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
  };
  const __m128i by64 = _mm_set_epi64x(Power(512 - 32), Power(512 + 32));
  const __m128i by16 = _mm_set_epi64x(Power(128 - 32), Power(128 + 32));
  __m128i a = _mm_xor_si128(load(data), _mm_cvtsi32_si128(static_cast<int>(state)));
  __m128i b = load(data + 16), c = load(data + 32), d = load(data + 48);
  for (data += 64, length -= 64; length >= 64; data += 64, length -= 64) {
    a = Folded(a, by64, load(data));
    b = Folded(b, by64, load(data + 16));
    c = Folded(c, by64, load(data + 32));
    d = Folded(d, by64, load(data + 48));
  }
  a = Folded(Folded(Folded(a, by16, b), by16, c), by16, d);
  for (; length >= 16; data += 16, length -= 16) a = Folded(a, by16, load(data));
  uint8_t block[16];
  _mm_storeu_si128(reinterpret_cast<__m128i*>(block), a);
  return ByTables(ByTables(0, block, 16), data, length);
}
#endif

}  // namespace

uint32_t Crc32(uint32_t crc, const void* data, size_t length) {
  auto* bytes = static_cast<const uint8_t*>(data);
#ifdef ISOTORCH_FOLDS
  static const bool folds = __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("sse4.1");
  if (folds && length >= 64) return ~ByFolding(~crc, bytes, length);
#endif
  return ~ByTables(~crc, bytes, length);
}

}  // namespace isotorch
