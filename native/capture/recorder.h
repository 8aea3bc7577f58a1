// Makes a record: while it stands in its environment, every operator, gradient and change of mode that crosses the
// boundary is written down beside being carried out. Tensors are known by their handles, which are never used twice.
#pragma once
#include <node_api.h>

#include <unordered_set>

#include "../functions.h"
#include "instructions.h"
#include "memory.h"

namespace isotorch {

class Recorder {
 public:
  // `outer`: the recorder of the step in which a function is recorded apart.
  Recorder(Handles& handles, const std::vector<Handle>& inputs, const Recorder* outer = nullptr);
  Recorder(const Recorder&) = delete;

  // Throws ERR_CAPTURE for what a record can't hold. It sticks: should the step catch the error, Finish throws it
  // again.
  [[noreturn]] void RefuseRead(const std::string& what);
  void CheckCall(const Operator& op, const torch::jit::Stack& arguments);

  void Call(const Operator& op, torch::jit::Stack arguments, const std::vector<std::vector<Handle>>& tensors,
            const std::vector<Handle>& results);
  // Code that is run as a whole: `given` are the tensors it takes, `state` those it reaches and may write; `hidden` too,
  // which have no handle.
  void Foreign(std::string name, std::function<std::vector<at::Tensor>(std::vector<at::Tensor>)> call,
               const std::vector<Handle>& given, const std::vector<Handle>& state, const std::vector<Handle>& results,
               const std::vector<at::Tensor>& hidden = {});
  // A custom function, given tensors of the step's.
  void Function(c10::intrusive_ptr<RecordedFunction> function, const std::vector<Handle>& given,
                const std::vector<Handle>& results);
  void Hook(Handle tensor, c10::intrusive_ptr<GradientHook> hook);
  void Constant(Handle result);
  void Alias(Handle of, Handle result);
  void Backward(const std::vector<Handle>& tensors, const std::vector<Handle>& gradients,
                const std::vector<Handle>& inputs, bool retain, bool create);
  void Grad(const std::vector<Handle>& outputs, const std::vector<Handle>& inputs, const std::vector<Handle>& gradients,
            bool retain, bool create, bool unused, const std::vector<Handle>& results);
  void GetGrad(Handle tensor, Handle result);
  void SetGrad(Handle tensor, Handle gradient);
  void RequiresGrad(Handle tensor, bool value);
  void GradMode(bool enabled);
  void Inference(bool begin, bool enabled);
  void Autocast(bool begin, const AutocastSettings& settings);

  // Whether the tensor was made by the step.
  bool Made(Handle handle) const;
  // Whether it is a tensor of the step: made by it, or an input.
  bool Holds(Handle handle) const;

  // Ends the recording. `outputs`: handles of the results. Throws ERR_CAPTURE where tensors made inside outlive it.
  std::shared_ptr<Record> Finish(const std::vector<Handle>& outputs);

 private:
  void Measure(Instruction& instruction);
  Place PlaceOf(Handle handle);
  Place NewPlace(Handle handle);
  void Add(std::unique_ptr<Instruction> instruction, const std::vector<Handle>& uses,
           const std::vector<Handle>& results);
  void Written(const at::Tensor& tensor);
  bool Reforms(const std::vector<std::vector<Handle>>& tensors) const;
  void Fold(const std::unordered_set<StorageKey>& kept);
  void MarkLastUses();
  void FindDevice();

  Handles& handles_;
  const Recorder* outer_;
  std::shared_ptr<Record> record_ = std::make_shared<Record>();
  std::unordered_map<Handle, Place> place_of_;
  std::unordered_set<StorageKey> written_;
  std::unordered_set<StorageKey> input_storages_;
  std::vector<at::Tensor> inputs_;
  // The tensors that the operator in hand writes to, and what they were before it.
  struct Form {
    at::Tensor tensor, before;
    const void* memory;
    bool requires_grad;
  };
  std::vector<Form> forms_;
  std::unordered_set<Place> set_gradients_;  // tensors whose gradient the step has set
  std::vector<at::Tensor> foldable_;         // by place: small tensors that depend on constants alone
  MemoryMeter meter_;
  std::optional<int64_t> device_bytes_;  // an accelerator's, when the recording began
  std::string refused_;
};

}  // namespace isotorch
