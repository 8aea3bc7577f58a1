// What a record is made of: calls of operators, gradients, and changes of mode.
#pragma once
#include <functional>

#include "../functions.h"
#include "../operators.h"
#include "record.h"

namespace isotorch {

// An operator, called boxed with the arguments that it was recorded with; tensors come from their places.
struct CallInstruction : Instruction {
  // Where among the arguments the next of `uses` go: one, or a list of `count`.
  struct Slot {
    uint32_t argument;
    uint32_t count = 1;
    bool list = false;
    bool optional_elements = false;
  };
  const Operator& op;
  torch::jit::Stack arguments;
  std::vector<Slot> slots;
  // Shapes that JavaScript may have read, where they depend on values: one entry for each result, checked in each run.
  std::vector<std::vector<int64_t>> expected_shapes;

  explicit CallInstruction(const Operator& op) : op(op) {}
  void Run(Frame& frame) const override;
  std::string Name() const override { return op.name; }
  std::string Schema() const override { return op.schema; }
  std::string Settings() const override;
};

// Code that LibTorch runs as a whole, such as a script: `state`, the last of its uses, is what it reaches beside its
// arguments.
struct ForeignInstruction : Instruction {
  std::string name;
  mutable std::function<std::vector<at::Tensor>(std::vector<at::Tensor>)> call;
  size_t state = 0;
  void Run(Frame& frame) const override;
  std::string Name() const override { return name; }
};

// A hook on the gradient of a tensor of the step's.
struct HookInstruction : Instruction {
  c10::intrusive_ptr<GradientHook> hook;
  void Run(Frame& frame) const override;
  std::string Name() const override { return "gradient hook"; }
};

// A tensor with the same values in each run, which the step may overwrite: copied anew each time.
struct ConstantInstruction : Instruction {
  at::Tensor value;
  void Run(Frame& frame) const override;
  std::string Name() const override { return "constant"; }
};

// backward(tensors, gradients, inputs): uses are those three in that order.
struct BackwardInstruction : Instruction {
  size_t tensors = 0, inputs = 0;
  bool retain_graph = false, create_graph = false;
  void Run(Frame& frame) const override;
  std::string Name() const override { return "backward"; }
};

// grad(outputs, inputs, gradients): uses are those three in that order.
struct GradInstruction : Instruction {
  size_t outputs = 0, inputs = 0;
  bool retain_graph = false, create_graph = false, allow_unused = false;
  void Run(Frame& frame) const override;
  std::string Name() const override { return "grad"; }
};

struct GetGradInstruction : Instruction {
  bool defined = false;
  std::vector<int64_t> strides;
  void Run(Frame& frame) const override;
  std::string Name() const override { return "grad of"; }
};

// uses: the tensor and its new gradient (nowhere: none).
struct SetGradInstruction : Instruction {
  void Run(Frame& frame) const override;
  std::string Name() const override { return "set grad"; }
};

struct RequiresGradInstruction : Instruction {
  bool value = false;
  void Run(Frame& frame) const override;
  std::string Name() const override { return "requires grad"; }
  std::string Settings() const override { return value ? "true" : "false"; }
};

struct GradModeInstruction : Instruction {
  bool enabled = false;
  void Run(Frame&) const override;
  std::string Name() const override { return enabled ? "grad mode on" : "grad mode off"; }
};

struct InferenceInstruction : Instruction {
  bool begin = false, enabled = false;
  void Run(Frame& frame) const override;
  std::string Name() const override { return begin ? "inference mode" : "end of inference mode"; }
};

struct AutocastInstruction : Instruction {
  bool begin = false;
  AutocastSettings settings;
  void Run(Frame& frame) const override;
  std::string Name() const override { return begin ? "autocast" : "end of autocast"; }
  std::string Settings() const override;
};

}  // namespace isotorch
