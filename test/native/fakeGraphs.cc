// A plugin that plays the device's part on the CPU, for tests of what the bridge does around a graph: "launching" does the
// captured work again. The environment variable FAKE_GRAPHS=fail makes capturing fail in the middle.
#include <cstdlib>
#include <stdexcept>
#include <string>

#include "../../native/capture/plugin.h"

namespace {

class FakeGraph : public isotorch::DeviceGraph {
 public:
  void WarmUp(const std::function<void()>& work) override { work(); }
  void Capture(const std::function<void()>& work) override {
    const char* wish = std::getenv("FAKE_GRAPHS");
    if (wish != nullptr && std::string(wish) == "fail") {
      throw std::runtime_error("the fake device refuses");
    }
    // A real device takes note without doing it, and the first launch does it; here it is the other way round.
    work_ = work;
    work_();
    done_ = true;
  }
  void Launch() override {
    if (!done_) work_();
    done_ = false;
  }

 private:
  std::function<void()> work_;
  bool done_ = false;
};

const isotorch::Plugin kPlugin{isotorch::kPluginVersion, c10::kCPU,
                               [](c10::DeviceIndex) -> std::unique_ptr<isotorch::DeviceGraph> {
                                 return std::make_unique<FakeGraph>();
                               }};

}  // namespace

extern "C" __attribute__((visibility("default"))) const isotorch::Plugin* isotorch_plugin() { return &kPlugin; }
