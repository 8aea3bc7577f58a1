#include "recorder.h"

#include <ATen/DeviceAccelerator.h>

#include <algorithm>

namespace isotorch {
namespace {

// Constants up to this size are kept between runs instead of being computed anew.
constexpr uint64_t kMostFoldedBytes = 64 << 10;

// Bytes in an accelerator's tensors; nothing without one.
std::optional<int64_t> DeviceBytes() {
  if (!at::accelerator::getAccelerator(false) || at::accelerator::deviceCount() == 0) return std::nullopt;
  constexpr auto kAll = static_cast<size_t>(c10::CachingAllocator::StatType::AGGREGATE);
  return at::accelerator::getDeviceStats(at::accelerator::getDeviceIndex()).allocated_bytes[kAll].current;
}

std::string KindOf(const at::Tensor& tensor) {
  return std::string(DtypeName(tensor.scalar_type())) + " " + c10::str(tensor.sizes());
}

std::vector<Handle> Joined(std::initializer_list<const std::vector<Handle>*> lists) {
  std::vector<Handle> all;
  for (const auto* list : lists) all.insert(all.end(), list->begin(), list->end());
  return all;
}

}  // namespace

Recorder::Recorder(Handles& handles, const std::vector<Handle>& inputs, const Recorder* outer)
    : handles_(handles), outer_(outer) {
  record_->inputs = inputs.size();
  for (Handle handle : inputs) {
    NewPlace(handle);
    inputs_.push_back(handles_.Get(handle));
    ForEachStorage(inputs_.back(), [&](StorageKey storage) { input_storages_.insert(storage); });
    if (handles_.Get(handle).requires_grad()) record_->no_graph.push_back("an input requires gradients");
  }
  device_bytes_ = DeviceBytes();
}

// What the step holds now and held at most since the instruction before, on the host and on an accelerator.
void Recorder::Measure(Instruction& instruction) {
  int64_t device = device_bytes_ ? DeviceBytes().value_or(0) - *device_bytes_ : 0;
  instruction.live_bytes = meter_.live + device;
  instruction.peak_bytes = std::exchange(meter_.peak, meter_.live) + device;
  record_->peak_bytes = std::max(record_->peak_bytes, instruction.peak_bytes);
}

void Recorder::RefuseRead(const std::string& what) {
  refused_ = what +
             " can't be read while a step is recorded: later runs would not see this line. Return the tensor from "
             "the step and read it after `await`";
  throw Misuse("ERR_CAPTURE", refused_);
}

void Recorder::CheckCall(const Operator& op, const torch::jit::Stack& arguments) {
  if (op.reads_values) RefuseRead("A tensor's value (" + op.name + ")");
  forms_.clear();
  for (size_t i = 0; i < arguments.size(); i++) {
    if (!op.Writes(i) || !arguments[i].isTensor()) continue;
    const at::Tensor& tensor = arguments[i].toTensor();
    forms_.push_back({tensor, tensor.variable_data(), AddressOf(tensor), tensor.requires_grad()});
  }
}

// Whether a call has made something else of a tensor that was there before the step: set_, resize_, an `out` that grew.
bool Recorder::Reforms(const std::vector<std::vector<Handle>>& tensors) const {
  for (const auto& [tensor, before, memory, requires_grad] : forms_) {
    bool same = tensor.sizes() == before.sizes() && StorageOf(tensor) == StorageOf(before) &&
                AddressOf(tensor) == memory && tensor.requires_grad() == requires_grad &&
                (tensor.layout() != at::kStrided || tensor.strides() == before.strides());
    if (same) continue;
    for (const auto& handles : tensors)
      for (Handle handle : handles)
        if (handle != 0 && !Made(handle) && handles_.Get(handle).is_same(tensor)) return true;
  }
  return false;
}

Place Recorder::NewPlace(Handle handle) {
  auto place = static_cast<Place>(record_->places++);
  place_of_[handle] = place;
  foldable_.emplace_back();
  return place;
}

Place Recorder::PlaceOf(Handle handle) {
  if (handle == 0) return kNowhere;
  auto found = place_of_.find(handle);
  if (found != place_of_.end()) return found->second;
  const at::Tensor& tensor = handles_.Get(handle);
  for (const Recorder* outer = outer_; outer; outer = outer->outer_) {
    if (outer->Holds(handle))
      throw Misuse("ERR_CAPTURE",
                   "The function uses a tensor of shape " + c10::str(tensor.sizes()) +
                       " that belongs to the step around it and is none of its arguments: later runs would not see "
                       "another one. Give it as an argument, or save it for backward");
  }
  if (tensor.requires_grad() && !tensor.is_leaf())
    throw Misuse("ERR_CAPTURE",
                 "The step uses a tensor of shape " + c10::str(tensor.sizes()) +
                     " whose gradient leads to operators outside of the step, which a replay can't repeat. Compute it "
                     "inside, or pass it with detach()");
  Place place = ~static_cast<Place>(record_->outside.size());
  record_->outside.push_back(tensor);
  Outside facts{.handle = handle,
                .sizes = tensor.sizes().vec(),
                .strides = tensor.layout() == at::kStrided ? tensor.strides().vec() : std::vector<int64_t>(),
                .dtype = tensor.scalar_type(),
                .device = tensor.device(),
                .requires_grad = tensor.requires_grad(),
                .storage = StorageOf(tensor),
                .memory = AddressOf(tensor)};
  facts.gradient_before = tensor.is_leaf() && tensor.grad().defined();
  if (facts.gradient_before && tensor.grad().layout() == at::kStrided)
    facts.gradient_strides = tensor.grad().strides().vec();
  record_->outside_facts.push_back(std::move(facts));
  place_of_[handle] = place;
  return place;
}

void Recorder::Add(std::unique_ptr<Instruction> instruction, const std::vector<Handle>& uses,
                   const std::vector<Handle>& results) {
  for (Handle handle : uses) {
    instruction->uses.push_back({PlaceOf(handle)});
    if (handle != 0) instruction->devices.push_back(handles_.Get(handle).device());
  }
  for (Handle handle : results) {
    if (handle != 0) instruction->devices.push_back(handles_.Get(handle).device());
    instruction->results.push_back(handle == 0 ? kNowhere : NewPlace(handle));
    instruction->result_kinds.push_back(handle == 0 ? "" : KindOf(handles_.Get(handle)));
  }
  Measure(*instruction);
  record_->instructions.push_back(std::move(instruction));
}

bool Recorder::Made(Handle handle) const {
  auto found = place_of_.find(handle);
  return found != place_of_.end() && found->second >= static_cast<Place>(record_->inputs);
}

bool Recorder::Holds(Handle handle) const {
  auto found = place_of_.find(handle);
  return found != place_of_.end() && found->second >= 0;
}

void Recorder::Written(const at::Tensor& tensor) {
  ForEachStorage(tensor, [&](StorageKey storage) {
    written_.insert(storage);
    for (at::Tensor& constant : foldable_) {  // what is computed of it from now on is no constant
      if (StorageOf(constant) == storage) constant = at::Tensor();
    }
    if (!input_storages_.count(storage)) return;
    record_->writes_inputs = true;
    record_->no_graph.push_back("it writes into an input");
  });
}

void Recorder::Call(const Operator& op, torch::jit::Stack arguments, const std::vector<std::vector<Handle>>& tensors,
                    const std::vector<Handle>& results) {
  auto call = std::make_unique<CallInstruction>(op);
  bool foldable =
      !op.random && op.writes == 0 && op.name.rfind("aten::empty", 0) != 0 && op.name.rfind("aten::new_empty", 0) != 0;
  std::vector<Handle> uses;
  for (size_t i = 0; i < op.arguments.size(); i++) {
    const Plan& plan = op.arguments[i];
    if (plan.kind != Kind::kTensor || arguments[i].isNone()) continue;
    std::vector<Place> places;
    for (Handle handle : tensors[i]) {
      places.push_back(PlaceOf(handle));
      if (places.back() < 0 || !foldable_[places.back()].defined()) foldable = false;
      if (op.Writes(i)) Written(handles_.Get(handle));
    }
    // A list of outside tensors alone, as an optimizer's parameters, is the same list each time.
    bool fixed = plan.list && std::all_of(places.begin(), places.end(), [](Place place) { return place < 0; });
    for (size_t k = 0; fixed && k < places.size(); k++) {
      if (places[k] != kNowhere) call->devices.push_back(record_->outside[~places[k]].device());
    }
    if (fixed) continue;
    call->slots.push_back({static_cast<uint32_t>(i), static_cast<uint32_t>(places.size()), plan.list,
                           plan.list && plan.optional_elements});
    uses.insert(uses.end(), tensors[i].begin(), tensors[i].end());
    arguments[i] = c10::IValue();
  }
  if (Reforms(tensors)) record_->reforms = true;
  call->arguments = std::move(arguments);
  if (op.random) record_->random = true;
  for (const c10::IValue& value : call->arguments) {
    if (value.isGenerator()) record_->no_graph.push_back("it draws from a generator of its own");
  }
  // They change what a tensor is, not only its values.
  for (const char* name :
       {"aten::set_", "aten::resize_", "aten::resize_as_", "aten::set_data", "aten::requires_grad_"}) {
    if (op.name == name) record_->no_graph.push_back("it calls " + op.name);
  }
  if (op.dynamic_shape) {
    for (Handle handle : results)
      call->expected_shapes.push_back(handle == 0 ? std::vector<int64_t>() : handles_.Get(handle).sizes().vec());
    record_->no_graph.push_back(op.name + " gives shapes that depend on values");
  }
  Instruction* added = call.get();
  Add(std::move(call), uses, results);
  for (size_t i = 0; foldable && i < results.size(); i++) {
    if (results[i] == 0) continue;
    const at::Tensor& result = handles_.Get(results[i]);
    if (result.requires_grad() || !result.has_storage() || result.storage().nbytes() > kMostFoldedBytes) continue;
    foldable_[added->results[i]] = result;
  }
}

void Recorder::Foreign(std::string name, std::function<std::vector<at::Tensor>(std::vector<at::Tensor>)> call,
                       const std::vector<Handle>& given, const std::vector<Handle>& state,
                       const std::vector<Handle>& results, const std::vector<at::Tensor>& hidden) {
  auto foreign = std::make_unique<ForeignInstruction>();
  foreign->name = std::move(name);
  foreign->call = std::move(call);
  foreign->state = state.size();
  record_->random = true;  // it may be, and it may write where it can
  for (Handle handle : given) Written(handles_.Get(handle));
  for (Handle handle : state) Written(handles_.Get(handle));
  for (const at::Tensor& tensor : hidden)
    ForEachStorage(tensor, [&](StorageKey storage) { record_->touched[storage] = true; });
  record_->no_graph.push_back("it calls a " + foreign->name);
  Add(std::move(foreign), Joined({&given, &state}), results);
}

void Recorder::Function(c10::intrusive_ptr<RecordedFunction> function, const std::vector<Handle>& given,
                        const std::vector<Handle>& results) {
  auto call = std::make_unique<ForeignInstruction>();
  call->name = function->name;
  record_->no_graph.push_back("it calls a custom function");
  std::vector<Handle> state;  // the step depends on what its functions take from outside
  for (const auto* record : {function->forward.get(), function->backward.get()}) {
    if (record == nullptr) continue;
    record_->random = record_->random || record->random;
    for (const Outside& outside : record->outside_facts) {
      if (outside.handle == 0) continue;
      state.push_back(outside.handle);
      auto touched = record->touched.find(StorageOf(handles_.Get(outside.handle)));
      if (touched != record->touched.end() && touched->second) Written(handles_.Get(outside.handle));
    }
  }
  call->state = state.size();
  call->call = [function](std::vector<at::Tensor> inputs) { return function->Apply(std::move(inputs)); };
  Add(std::move(call), Joined({&given, &state}), results);
}

void Recorder::Hook(Handle tensor, c10::intrusive_ptr<GradientHook> hook) {
  auto add = std::make_unique<HookInstruction>();
  add->hook = std::move(hook);
  record_->no_graph.push_back("it has gradient hooks");
  Add(std::move(add), {tensor}, {});
}

void Recorder::Constant(Handle result) {
  auto constant = std::make_unique<ConstantInstruction>();
  at::Tensor value = handles_.Get(result);
  constant->value = value.clone();  // the step may overwrite its own
  Instruction* added = constant.get();
  Add(std::move(constant), {}, {result});
  foldable_[added->results[0]] = std::move(value);
}

void Recorder::Alias(Handle of, Handle result) { place_of_[result] = PlaceOf(of); }

void Recorder::Backward(const std::vector<Handle>& tensors, const std::vector<Handle>& gradients,
                        const std::vector<Handle>& inputs, bool retain, bool create) {
  auto backward = std::make_unique<BackwardInstruction>();
  backward->tensors = tensors.size();
  backward->inputs = inputs.size();
  backward->retain_graph = retain;
  backward->create_graph = create;
  Add(std::move(backward), Joined({&tensors, &gradients, &inputs}), {});
  // Where the gradients go is not known from here: every leaf that can take one may.
  for (const at::Tensor& tensor : record_->outside) {
    if (tensor.requires_grad()) Written(tensor);
  }
}

void Recorder::Grad(const std::vector<Handle>& outputs, const std::vector<Handle>& inputs,
                    const std::vector<Handle>& gradients, bool retain, bool create, bool unused,
                    const std::vector<Handle>& results) {
  auto grad = std::make_unique<GradInstruction>();
  grad->outputs = outputs.size();
  grad->inputs = inputs.size();
  grad->retain_graph = retain;
  grad->create_graph = create;
  grad->allow_unused = unused;
  Add(std::move(grad), Joined({&outputs, &inputs, &gradients}), results);
}

void Recorder::GetGrad(Handle tensor, Handle result) {
  auto get = std::make_unique<GetGradInstruction>();
  get->defined = result != 0;
  if (result != 0 && handles_.Get(result).layout() == at::kStrided) get->strides = handles_.Get(result).strides().vec();
  Written(handles_.Get(tensor));
  Add(std::move(get), {tensor}, {result});
  if (Place place = PlaceOf(tensor); place < 0 && !set_gradients_.count(place))
    record_->outside_facts[~place].reads_gradient = true;
}

void Recorder::SetGrad(Handle tensor, Handle gradient) {
  Written(handles_.Get(tensor));
  if (gradient != 0) Written(handles_.Get(gradient));  // later gradients are added to it in place
  Add(std::make_unique<SetGradInstruction>(), {tensor, gradient}, {});
  set_gradients_.insert(PlaceOf(tensor));
}

void Recorder::RequiresGrad(Handle tensor, bool value) {
  if (!Made(tensor)) record_->reforms = true;
  auto set = std::make_unique<RequiresGradInstruction>();
  set->value = value;
  Add(std::move(set), {tensor}, {});
}

void Recorder::GradMode(bool enabled) {
  auto mode = std::make_unique<GradModeInstruction>();
  mode->enabled = enabled;
  Add(std::move(mode), {}, {});
}

void Recorder::Inference(bool begin, bool enabled) {
  auto mode = std::make_unique<InferenceInstruction>();
  mode->begin = begin;
  mode->enabled = enabled;
  Add(std::move(mode), {}, {});
}

void Recorder::Autocast(bool begin, const AutocastSettings& settings) {
  auto mode = std::make_unique<AutocastInstruction>();
  mode->begin = begin;
  mode->settings = settings;
  Add(std::move(mode), {}, {});
}

// What depends on constants alone, and is neither written to nor handed out, is computed once: the record keeps the
// values.
void Recorder::Fold(const std::unordered_set<StorageKey>& kept) {
  std::unordered_map<Place, Place> folded;
  std::vector<std::unique_ptr<Instruction>> rest;
  for (auto& instruction : record_->instructions) {
    for (Use& use : instruction->uses) {
      auto found = folded.find(use.place);
      if (found != folded.end()) use.place = found->second;
    }
    bool fixed = !instruction->results.empty();
    for (Place place : instruction->results) {
      StorageKey storage = place >= 0 ? StorageOf(foldable_[place]) : nullptr;
      if (storage == nullptr || written_.count(storage) || kept.count(storage)) fixed = false;
    }
    if (!fixed) {
      rest.push_back(std::move(instruction));
      continue;
    }
    for (Place place : instruction->results) {
      const at::Tensor& value = foldable_[place];
      folded[place] = ~static_cast<Place>(record_->outside.size());
      record_->outside.push_back(value);
      record_->outside_facts.push_back({.dtype = value.scalar_type(), .device = value.device()});
    }
  }
  record_->instructions = std::move(rest);
}

void Recorder::MarkLastUses() {
  std::unordered_set<Place> used;
  for (Use& output : record_->outputs) used.insert(output.place);
  std::unordered_set<Place> taken;  // outputs are taken one by one: the last of equal ones is the last
  for (auto output = record_->outputs.rbegin(); output != record_->outputs.rend(); ++output)
    output->last = taken.insert(output->place).second;
  for (auto instruction = record_->instructions.rbegin(); instruction != record_->instructions.rend(); ++instruction) {
    for (Place& place : (*instruction)->results) {
      if (!used.count(place)) place = kNowhere;
    }
    for (auto use = (*instruction)->uses.rbegin(); use != (*instruction)->uses.rend(); ++use)
      use->last = used.insert(use->place).second;
  }
}

// The one device of all tensors, and what else a graph asks: nothing that happens on the host may differ between two
// runs.
void Recorder::FindDevice() {
  std::unordered_set<c10::Device> devices;
  std::unordered_set<Place> used;
  for (const auto& instruction : record_->instructions) {
    devices.insert(instruction->devices.begin(), instruction->devices.end());
    for (const Use& use : instruction->uses) used.insert(use.place);
    if (dynamic_cast<const RequiresGradInstruction*>(instruction.get()))
      record_->no_graph.push_back("it changes whether a tensor requires gradients");
  }
  if (devices.size() == 1) {
    record_->device = *devices.begin();
  } else if (devices.size() > 1) {
    bool host = devices.count(at::kCPU) > 0;
    record_->no_graph.insert(record_->no_graph.begin(),
                             host ? "it uses tensors on the CPU" : "it uses several devices");
    for (c10::Device device : devices) {
      if (!device.is_cpu()) record_->device = device;
    }
  }
}

std::shared_ptr<Record> Recorder::Finish(const std::vector<Handle>& outputs) {
  if (!refused_.empty()) throw Misuse("ERR_CAPTURE", refused_);
  std::unordered_set<StorageKey> kept;
  std::unordered_set<Handle> given(outputs.begin(), outputs.end());
  for (Handle handle : outputs) {
    record_->outputs.push_back({PlaceOf(handle)});
    if (handle != 0) kept.insert(StorageOf(handles_.Get(handle)));
  }
  for (const auto& [handle, place] : place_of_) {
    if (!Made(handle) || given.count(handle) || !handles_.Alive(handle)) continue;
    throw Misuse("ERR_CAPTURE", "A tensor of shape " + c10::str(handles_.Get(handle).sizes()) +
                                    " that the step made was kept beyond its end, but later runs would not change it. "
                                    "Return it, or make it before and write into it: state.copy_(value)");
  }
  Fold(kept);
  MarkLastUses();
  FindDevice();
  for (size_t i = 0; i < record_->outside.size(); i++) {
    if (record_->outside_facts[i].handle == 0) continue;
    ForEachStorage(record_->outside[i], [&](StorageKey storage) {
      bool& written = record_->touched[storage];
      written = written || written_.count(storage) > 0;
    });
  }
  for (const at::Tensor& input : inputs_) {
    bool written = input.requires_grad();  // it takes a gradient
    ForEachStorage(input, [&](StorageKey storage) { written = written || written_.count(storage) > 0; });
    record_->writes_input.push_back(written);
  }
  for (size_t i = 0; i < record_->outside.size(); i++) {
    const at::Tensor& tensor = record_->outside[i];
    record_->outside_facts[i].gradient_after = tensor.is_leaf() && tensor.grad().defined();
  }
  record_->PrepareGraph();
  return record_;
}

}  // namespace isotorch
