// One region of automatic mixed precision on the calling thread, entered and left as Python's torch.autocast does:
// while it lasts, LibTorch runs each operator of that device in the dtype that its lists say.
#pragma once
#include <ATen/autocast_mode.h>

namespace isotorch {

struct AutocastSettings {
  at::DeviceType device = at::kCPU;
  at::ScalarType dtype = at::kBFloat16;
  bool enabled = true;
  bool cache_enabled = true;  // keep the converted weights until the outermost region ends
};

class AutocastRegion {
 public:
  explicit AutocastRegion(const AutocastSettings& settings)
      : device_(settings.device),
        enabled_(at::autocast::is_autocast_enabled(device_)),
        dtype_(at::autocast::get_autocast_dtype(device_)),
        cache_enabled_(at::autocast::is_autocast_cache_enabled()) {
    at::autocast::set_autocast_dtype(device_, settings.dtype);
    at::autocast::set_autocast_enabled(device_, settings.enabled);
    at::autocast::set_autocast_cache_enabled(settings.cache_enabled);
    at::autocast::increment_nesting();
  }
  ~AutocastRegion() {
    if (at::autocast::decrement_nesting() == 0) at::autocast::clear_cache();
    at::autocast::set_autocast_enabled(device_, enabled_);
    at::autocast::set_autocast_dtype(device_, dtype_);
    at::autocast::set_autocast_cache_enabled(cache_enabled_);
  }
  AutocastRegion(const AutocastRegion&) = delete;
  AutocastRegion& operator=(const AutocastRegion&) = delete;

 private:
  at::DeviceType device_;
  bool enabled_;
  at::ScalarType dtype_;
  bool cache_enabled_;
};

}  // namespace isotorch
