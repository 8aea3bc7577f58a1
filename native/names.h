// Layouts and memory formats by name, for both directions.
#pragma once
#include <c10/core/Layout.h>
#include <c10/core/MemoryFormat.h>

#include <utility>

namespace isotorch {

inline constexpr std::pair<const char*, at::MemoryFormat> kMemoryFormats[] = {
    {"contiguous_format", at::MemoryFormat::Contiguous},
    {"preserve_format", at::MemoryFormat::Preserve},
    {"channels_last", at::MemoryFormat::ChannelsLast},
    {"channels_last_3d", at::MemoryFormat::ChannelsLast3d}};
inline constexpr std::pair<const char*, at::Layout> kLayouts[] = {
    {"strided", at::kStrided},      {"sparse_coo", at::kSparse},    {"sparse_csr", at::kSparseCsr},
    {"sparse_csc", at::kSparseCsc}, {"sparse_bsr", at::kSparseBsr}, {"sparse_bsc", at::kSparseBsc}};

// A layout by its name; by PyTorch's for those that can't be asked for.
inline const char* LayoutName(at::Layout layout) {
  for (const auto& [name, known] : kLayouts) {
    if (known == layout) return name;
  }
  return layout == at::kMkldnn ? "_mkldnn" : "jagged";
}

}  // namespace isotorch
