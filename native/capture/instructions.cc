#include "instructions.h"

#include <torch/csrc/autograd/autograd.h>

#include <charconv>
#include <sstream>

#include "../plain.h"

namespace isotorch {
namespace {

// The results of one operator, in order, lists flattened; numbers and the like left out.
template <typename Each>
void ForEachTensor(const torch::jit::Stack& stack, Each each) {
  for (const c10::IValue& value : stack) {
    if (value.isTensor()) {
      each(value.toTensor());
    } else if (value.isTensorList()) {
      for (const at::Tensor& tensor : value.toTensorList()) each(tensor);
    } else if (value.isList()) {
      for (const c10::IValue& element : value.toListRef())
        if (element.isTensor()) each(element.toTensor());
    }
  }
}

std::vector<at::Tensor> TakeAll(Frame& frame, const std::vector<Use>& uses, size_t first, size_t count) {
  std::vector<at::Tensor> tensors;
  tensors.reserve(count);
  for (size_t i = first; i < first + count; i++) tensors.push_back(frame.Take(uses[i]));
  return tensors;
}

// Of all decimals that are this number, the shortest: 0.9 instead of 0.90000000000000002.
std::string Shortest(double number) {
  char text[32];
  return {text, std::to_chars(text, text + sizeof text, number).ptr};
}

}  // namespace

void CallInstruction::Run(Frame& frame) const {
  torch::jit::Stack& stack = frame.stack;
  stack = arguments;
  const Use* use = uses.data();
  for (const Slot& slot : slots) {
    if (!slot.list) {
      stack[slot.argument] = frame.Take(*use++);
    } else if (slot.optional_elements) {
      c10::List<std::optional<at::Tensor>> list;
      list.reserve(slot.count);
      for (uint32_t i = 0; i < slot.count; i++, use++) {
        if (use->place == kNowhere)
          list.push_back(std::nullopt);
        else
          list.push_back(frame.Take(*use));
      }
      stack[slot.argument] = std::move(list);
    } else {
      c10::List<at::Tensor> list;
      list.reserve(slot.count);
      for (uint32_t i = 0; i < slot.count; i++) list.push_back(frame.Take(*use++));
      stack[slot.argument] = std::move(list);
    }
  }
  op.handle.callBoxed(stack);
  if (results.size() == 1 && stack.size() == 1 && stack[0].isTensor()) {
    frame.Put(results[0], std::move(stack[0]).toTensor());
  } else if (!results.empty()) {
    size_t next = 0;
    ForEachTensor(stack, [&](const at::Tensor& tensor) {
      if (next < results.size()) frame.Put(results[next], tensor);
      next++;
    });
    if (next != results.size())
      throw Misuse("ERR_CAPTURE", "Expected " + std::to_string(results.size()) +
                                      " results as when it was recorded, but " + std::to_string(next) +
                                      " came. Its number depends on values: compute it outside");
  }
  for (size_t i = 0; i < expected_shapes.size(); i++) {
    if (results[i] < 0) continue;
    const at::Tensor& result = frame.Get(results[i]);
    if (result.defined() && result.sizes() != expected_shapes[i])
      throw Misuse("ERR_CAPTURE",
                   "The result's shape was " + c10::str(at::IntArrayRef(expected_shapes[i])) +
                       " when the step was recorded and is " + c10::str(result.sizes()) +
                       " now, since it depends on values. A captured step has the same shapes each time: "
                       "use a mask (torch.where, masked_fill), or run this part outside");
  }
  stack.clear();
}

std::string CallInstruction::Settings() const {
  std::ostringstream text;
  std::vector<bool> is_tensor(arguments.size());
  for (const Slot& slot : slots) is_tensor[slot.argument] = true;
  for (size_t i = 0; i < arguments.size(); i++) {
    const c10::IValue& argument = arguments[i];
    if (is_tensor[i] || argument.isNone()) continue;
    const auto& usual = op.arguments[i].default_value;
    std::ostringstream value, other;
    if (op.arguments[i].kind == Kind::kTensor)  // a list that is the same each time
      value << "[" << argument.toListRef().size() << " from outside]";
    else if (op.arguments[i].kind == Kind::kDtype && argument.isInt())
      value << c10::toString(argument.toScalarType());
    else if (argument.isDouble())
      value << Shortest(argument.toDouble());
    else
      value << argument;
    if (usual && usual->isDouble())
      other << Shortest(usual->toDouble());
    else if (usual)
      other << *usual;
    if (usual && value.str() == other.str()) continue;
    text << (text.tellp() > 0 ? ", " : "") << op.arguments[i].name << "=" << value.str().substr(0, 60);
  }
  return text.str();
}

void ConstantInstruction::Run(Frame& frame) const {
  at::NoGradGuard no_grad;
  frame.Put(results[0], value.clone());
}

void ForeignInstruction::Run(Frame& frame) const {
  std::vector<at::Tensor> given = TakeAll(frame, uses, 0, uses.size() - state);
  std::vector<at::Tensor> made = call(std::move(given));
  if (made.size() != results.size())
    throw Misuse("ERR_CAPTURE", "Expected " + std::to_string(results.size()) + " tensors of " + name +
                                    " as when it was recorded, but " + std::to_string(made.size()) + " came");
  for (size_t i = 0; i < made.size(); i++) frame.Put(results[i], std::move(made[i]));
}

void HookInstruction::Run(Frame& frame) const { AddHook(frame.Take(uses[0]), hook); }

void BackwardInstruction::Run(Frame& frame) const {
  auto from = TakeAll(frame, uses, 0, tensors);
  auto gradients = TakeAll(frame, uses, tensors, tensors);
  auto leaves = TakeAll(frame, uses, 2 * tensors, inputs);
  torch::autograd::backward(from, gradients, retain_graph, create_graph, leaves);
}

void GradInstruction::Run(Frame& frame) const {
  auto from = TakeAll(frame, uses, 0, outputs);
  auto to = TakeAll(frame, uses, outputs, inputs);
  auto gradients = TakeAll(frame, uses, outputs + inputs, outputs);
  auto found = torch::autograd::grad(from, to, gradients, retain_graph, create_graph, allow_unused);
  for (size_t i = 0; i < results.size() && i < found.size(); i++) frame.Put(results[i], std::move(found[i]));
}

void GetGradInstruction::Run(Frame& frame) const {
  at::Tensor gradient = GradientInMemory(frame.Take(uses[0]));
  if (gradient.defined() != defined)
    throw Misuse("ERR_CAPTURE",
                 std::string("The tensor had ") + (defined ? "a" : "no") +
                     " gradient when the step was recorded and has " + (defined ? "none" : "one") +
                     " now. Let the step itself set or clear the gradients it reads: optimizer.zeroGrad() "
                     "before loss.backward()");
  // Fused optimizers go by memory, not by strides.
  if (defined && gradient.layout() == at::kStrided && gradient.strides() != strides)
    throw Misuse("ERR_CAPTURE", "The gradient's strides were " + c10::str(at::IntArrayRef(strides)) +
                                    " when the step was recorded and are " + c10::str(gradient.strides()) +
                                    " now. Let the step itself clear the gradients it reads");
  if (!results.empty()) frame.Put(results[0], std::move(gradient));
}

void SetGradInstruction::Run(Frame& frame) const {
  at::Tensor tensor = frame.Take(uses[0]);
  tensor.mutable_grad() = frame.Take(uses[1]);
}

void RequiresGradInstruction::Run(Frame& frame) const { frame.Take(uses[0]).requires_grad_(value); }

void GradModeInstruction::Run(Frame&) const { at::GradMode::set_enabled(enabled); }

void InferenceInstruction::Run(Frame& frame) const {
  if (begin)
    frame.inference.push_back(std::make_unique<c10::InferenceMode>(enabled));
  else
    frame.inference.pop_back();
}

void AutocastInstruction::Run(Frame& frame) const {
  if (begin)
    frame.autocast.push_back(std::make_unique<AutocastRegion>(settings));
  else
    frame.autocast.pop_back();
}

std::string AutocastInstruction::Settings() const {
  if (!begin) return {};
  return c10::DeviceTypeName(settings.device, true) + " " + (settings.enabled ? DtypeName(settings.dtype) : "off");
}

}  // namespace isotorch
