// Code of TypeScript's that autograd calls. A custom function is recorded, forward and backward, as a captured step is, and
// replayed wherever autograd wants it, without JavaScript. A gradient hook is called as it stands on the thread of its
// environment; what it does while a step is recorded is a record too, for the replays of that step on other threads.
#pragma once
#include <ATen/core/ivalue.h>
#include <torch/csrc/autograd/variable.h>

#include <mutex>
#include <thread>

#include "capture/record.h"

namespace isotorch {

struct Environment;

// A custom function for one form of its inputs.
struct RecordedFunction : torch::CustomClassHolder {
  std::string name;
  // inputs → results, then what is saved for the other; gradients of results, then that → gradients of inputs.
  std::shared_ptr<const Record> forward, backward;  // backward: null where no input takes a gradient
  size_t outputs = 0;

  // `first`: what the forward has given already, if it was recorded just now.
  std::vector<at::Tensor> Apply(std::vector<at::Tensor> inputs, const std::vector<at::Tensor>* first = nullptr);
};

// The hooks of one environment: where its thread can be asked, and which hooks nobody refers to any more.
struct HookTable {
  std::thread::id thread = std::this_thread::get_id();
  Environment* environment;
  std::mutex mutex;
  std::vector<uint32_t> dropped;
};

// One hook, on a tensor or on several whose gradients come together.
class GradientHook : public torch::CustomClassHolder {
 public:
  GradientHook(const std::shared_ptr<HookTable>& table, uint32_t number) : table_(table), number_(number) {}
  ~GradientHook() override;

  // The gradients that take the others' places.
  std::vector<at::Tensor> Call(const std::vector<at::Tensor>& gradients);
  std::atomic<bool> removed{false};

 private:
  std::vector<at::Tensor> CallJavaScript(HookTable& table, const std::vector<at::Tensor>& gradients);

  std::weak_ptr<HookTable> table_;
  const uint32_t number_;
  std::mutex mutex_;
  std::unordered_map<std::string, std::shared_ptr<const Record>> records_;  // by the gradients' form
};

// Calls the hook with the tensor's gradient; returns its place among the tensor's hooks.
unsigned AddHook(const at::Tensor& tensor, c10::intrusive_ptr<GradientHook> hook);

}  // namespace isotorch
