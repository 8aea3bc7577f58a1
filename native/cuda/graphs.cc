// The CUDA plugin (libisotorch_cuda.so): a whole replay as one CUDA graph. Loaded by the bridge when LibTorch has CUDA;
// all that needs libtorch_cuda is here.
//
// The rules of stream capture that this keeps: a stream of its own, the same at the beginning and the end; memory from
// a private pool that lives as long as the graph; nothing that waits for the device. Random operators draw from the
// default generator, which LibTorch registers with each graph, so that every launch goes on in its stream of numbers.
#include <ATen/cuda/CUDAEvent.h>
#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

#include "../capture/plugin.h"

namespace isotorch {
namespace {

class CudaGraph : public DeviceGraph {
 public:
  explicit CudaGraph(c10::DeviceIndex device)
      : device_(device), stream_(at::cuda::getStreamFromPool(/*isHighPriority=*/false, device)) {}

  void WarmUp(const std::function<void()>& work) override { OnStream(work); }

  void Capture(const std::function<void()>& work) override {
    c10::cuda::CUDAGuard on_device(device_);
    C10_CUDA_CHECK(cudaDeviceSynchronize());
    c10::cuda::CUDACachingAllocator::emptyCache();  // what the warm-up has left on its stream
    graph_ = std::make_unique<at::cuda::CUDAGraph>();
    OnStream([&] {
      // Thread-local: what other threads do meanwhile (eager code, another device) is no part of it and does no harm.
      // The backward pass runs on a thread of LibTorch's, but on this stream.
      graph_->capture_begin(at::cuda::graph_pool_handle(), cudaStreamCaptureModeThreadLocal);
      try {
        work();
      } catch (...) {
        EndBadly();
        throw;
      }
      graph_->capture_end();
    });
  }

  void Launch() override {
    c10::cuda::CUDAGuard on_device(device_);
    graph_->replay();
  }

 private:
  // After all work before it on the current stream, and before all work after it.
  void OnStream(const std::function<void()>& work) {
    c10::cuda::CUDAGuard on_device(device_);
    c10::cuda::CUDAStream current = c10::cuda::getCurrentCUDAStream(device_);
    at::cuda::CUDAEvent before, after;
    before.record(current);
    before.block(stream_);
    {
      c10::cuda::CUDAStreamGuard on_stream(stream_);
      work();
    }
    after.record(stream_);
    after.block(current);
  }

  // The stream must leave capture mode before anything else can be done with it; its error is the consequence of ours.
  void EndBadly() {
    try {
      graph_->capture_end();
    } catch (...) {
    }
    (void)cudaGetLastError();
    graph_.reset();
  }

  c10::DeviceIndex device_;
  c10::cuda::CUDAStream stream_;
  std::unique_ptr<at::cuda::CUDAGraph> graph_;
};

const Plugin kPlugin{kPluginVersion, c10::kCUDA, [](c10::DeviceIndex device) -> std::unique_ptr<DeviceGraph> {
                       return std::make_unique<CudaGraph>(device);
                     }};

}  // namespace
}  // namespace isotorch

extern "C" __attribute__((visibility("default"))) const isotorch::Plugin* isotorch_plugin() {
  return &isotorch::kPlugin;
}
