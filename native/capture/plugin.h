// What an accelerator's plugin (native/cuda/) gives the bridge. It is a library of its own, so that the bridge links no
// CUDA: it exports `isotorch_plugin`, which the bridge asks for after opening it.
#pragma once
#include <c10/core/Device.h>

#include <functional>
#include <memory>

namespace isotorch {

// One device graph: the work of one replay, launched as a whole. Used by the compute thread only.
class DeviceGraph {
 public:
  virtual ~DeviceGraph() = default;
  // Does the work for real, on the stream that will be captured: libraries set up on first use what can't be set up
  // later.
  virtual void WarmUp(const std::function<void()>& work) = 0;
  // Runs `work` while the device only takes note of it. Throws, with nothing left under way, if it can't.
  virtual void Capture(const std::function<void()>& work) = 0;
  virtual void Launch() = 0;
};

struct Plugin {
  uint32_t version;  // of this interface
  c10::DeviceType device;
  std::unique_ptr<DeviceGraph> (*make_graph)(c10::DeviceIndex device);
};

constexpr uint32_t kPluginVersion = 1;

// Known after OpenPlugin; null for a device without one.
const Plugin* PluginFor(c10::DeviceType device);

}  // namespace isotorch
