#include "functions.h"

#include <torch/csrc/autograd/custom_function.h>

#include <sstream>

#include "bridge.h"
#include "capture/recorder.h"
#include "flights.h"

namespace isotorch {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr const char* kSelf = "self";  // of what a node keeps

template <typename T>
c10::intrusive_ptr<T> Kept(AutogradContext* context) {
  return c10::static_intrusive_pointer_cast<T>(context->saved_data.at(kSelf).toCapsule());
}

void Keep(AutogradContext* context, c10::intrusive_ptr<torch::CustomClassHolder> self) {
  context->saved_data[kSelf] = c10::IValue::make_capsule(std::move(self));
}

// Of its arguments LibTorch takes those of an ArrayRef for variables, but not those of a vector.
struct FunctionNode : torch::autograd::Function<FunctionNode> {
  static variable_list forward(AutogradContext* context, c10::intrusive_ptr<RecordedFunction> function,
                               const variable_list* first, at::TensorList inputs) {
    variable_list results = first ? *first : function->forward->RunInline(inputs.vec());
    if (function->backward) {
      context->save_for_backward({results.begin() + static_cast<ptrdiff_t>(function->outputs), results.end()});
      Keep(context, function);
    }
    results.resize(function->outputs);
    return results;
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    auto function = Kept<RecordedFunction>(context);
    for (at::Tensor& saved : context->get_saved_variables()) gradients.push_back(std::move(saved));
    variable_list results(2);  // the function itself and `first` take no gradient
    for (at::Tensor& gradient : function->backward->RunInline(std::move(gradients)))
      results.push_back(std::move(gradient));
    return results;
  }
};

// Passes tensors on; their gradients come together, by way of a hook.
struct GateNode : torch::autograd::Function<GateNode> {
  static variable_list forward(AutogradContext* context, c10::intrusive_ptr<GradientHook> hook, at::TensorList inputs) {
    Keep(context, hook);
    return inputs.vec();
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    variable_list results(1);
    for (at::Tensor& gradient : Kept<GradientHook>(context)->Call(gradients)) results.push_back(std::move(gradient));
    return results;
  }
};

std::string FormOf(const std::vector<at::Tensor>& tensors) {
  std::ostringstream text;
  for (const at::Tensor& tensor : tensors)
    text << DtypeName(tensor.scalar_type()) << tensor.sizes() << tensor.device() << ';';
  return text.str();
}

// A hook may be called while an operator runs, whose arguments lie on the environment's stack: out of the way with them.
class StackAside {
 public:
  explicit StackAside(torch::jit::Stack& stack) : stack_(stack) { kept_.swap(stack_); }
  ~StackAside() { kept_.swap(stack_); }
  StackAside(const StackAside&) = delete;

 private:
  torch::jit::Stack& stack_;
  torch::jit::Stack kept_;
};

std::vector<Handle> HandlesOf(const Napi::CallbackInfo& info, size_t index) {
  auto array = info[index].As<Napi::Float64Array>();
  return {array.Data(), array.Data() + array.ElementLength()};
}

Napi::Float64Array AddAll(Napi::Env env, Environment& environment, const std::vector<at::Tensor>& tensors) {
  auto handles = Napi::Float64Array::New(env, tensors.size());
  for (size_t i = 0; i < tensors.size(); i++) handles[i] = environment.handles.Add(tensors[i]);
  return handles;
}

std::shared_ptr<const Record> RecordArgument(const Napi::CallbackInfo& info, size_t index, Environment& environment) {
  auto found = environment.records.find(static_cast<uint32_t>(IntegerArgument(info, index, "record")));
  return found == environment.records.end() ? nullptr : found->second;
}

c10::intrusive_ptr<GradientHook> NewHook(const Napi::CallbackInfo& info, size_t index, Environment& environment) {
  auto number = static_cast<uint32_t>(IntegerArgument(info, index, "hook"));
  auto hook = c10::make_intrusive<GradientHook>(environment.hook_table, number);
  c10::intrusive_ptr<torch::CustomClassHolder> held = hook;
  environment.hooks.insert_or_assign(number, c10::weak_intrusive_ptr<torch::CustomClassHolder>(held));
  return hook;
}

// beginFunction(inputs): records what follows apart from any recording around it, until endFunction or abortFunction.
Napi::Value BeginFunction(const Napi::CallbackInfo& info, Environment& environment) {
  TensorsArgument(info, 0, environment);
  auto inputs = HandlesOf(info, 0);
  environment.outer_recordings.emplace_back(std::move(environment.recorder), environment.recording_paused);
  auto& outer = environment.outer_recordings.back().first;
  environment.recorder = std::make_unique<Recorder>(environment.handles, inputs, outer.get());
  environment.recording_paused = 0;
  return info.Env().Undefined();
}

std::unique_ptr<Recorder> TakeFunction(Environment& environment) {
  if (environment.outer_recordings.empty()) throw Misuse("ERR_CAPTURE", "Expected a function to be recorded");
  auto recorder = std::move(environment.recorder);
  environment.recorder = std::move(environment.outer_recordings.back().first);
  environment.recording_paused = environment.outer_recordings.back().second;
  environment.outer_recordings.pop_back();
  return recorder;
}

// endFunction(results): the record's number. Zeros among the results are results that are not there.
Napi::Value EndFunction(const Napi::CallbackInfo& info, Environment& environment) {
  auto recorder = TakeFunction(environment);
  auto record = recorder->Finish(HandlesOf(info, 0));
  if (record->writes_inputs)
    throw Misuse("ERR_AUTOGRAD",
                 "The function writes into one of its inputs, which autograd would not know of: compute a new tensor");
  record->inlined = true;
  uint32_t number = environment.next_record++;
  environment.records.emplace(number, std::move(record));
  return Napi::Number::New(info.Env(), number);
}

Napi::Value AbortFunction(const Napi::CallbackInfo& info, Environment& environment) {
  TakeFunction(environment);
  return info.Env().Undefined();
}

// applyFunction(name, forward, backward | 0, outputs, inputs, first | null): handles of the outputs. `first`: what the
// forward gave while it was recorded.
Napi::Value ApplyFunction(const Napi::CallbackInfo& info, Environment& environment) {
  auto function = c10::make_intrusive<RecordedFunction>();
  function->name = StringArgument(info, 0, "name");
  function->forward = RecordArgument(info, 1, environment);
  function->backward = RecordArgument(info, 2, environment);
  function->outputs = static_cast<size_t>(IntegerArgument(info, 3, "outputs"));
  auto inputs = TensorsArgument(info, 4, environment);
  if (!function->forward || inputs.size() != function->forward->inputs ||
      function->outputs > function->forward->outputs.size())
    throw Misuse("ERR_ARGUMENT", "Expected the inputs of the function's record");
  std::vector<at::Tensor> first;
  if (!info[5].IsNull()) first = TensorsArgument(info, 5, environment);
  environment.flights->SettleSteps();
  environment.flights->Settle(function->forward->touched);
  auto results = AddAll(info.Env(), environment, function->Apply(std::move(inputs), info[5].IsNull() ? nullptr : &first));
  if (Recorder* recorder = environment.Recording())
    recorder->Function(function, HandlesOf(info, 4), {results.Data(), results.Data() + results.ElementLength()});
  AccountMemory(info.Env(), environment);
  return results;
}

// setHookRunner(run): run(hook, gradients, recording) is asked on this thread; see lib/tensor/hooks.ts.
Napi::Value SetHookRunner(const Napi::CallbackInfo& info, Environment& environment) {
  environment.hook_runner = Napi::Persistent(info[0].As<Napi::Function>());
  environment.hook_table = std::make_shared<HookTable>();
  environment.hook_table->environment = &environment;
  return info.Env().Undefined();
}

// addHook(tensor, hook): its place among the tensor's hooks.
Napi::Value AddHookTo(const Napi::CallbackInfo& info, Environment& environment) {
  at::Tensor tensor = TensorArgument(info, 0, environment);
  if (!tensor.requires_grad())
    throw Misuse("ERR_AUTOGRAD", "Expected a tensor that requires gradients, for a hook on its gradient");
  Recorder* recorder = environment.Recording();
  Handle handle = NumberArgument(info, 0, "tensor");
  if (recorder && !recorder->Made(handle))
    throw Misuse("ERR_CAPTURE", "Expected a hook within a step on a tensor that the step made: on one from outside, each run "
                                "would add a hook more. Register it before the step");
  environment.flights->Settle(tensor, true);
  auto hook = NewHook(info, 1, environment);
  unsigned place = AddHook(tensor, hook);
  if (recorder) recorder->Hook(handle, std::move(hook));
  return Napi::Number::New(info.Env(), place);
}

// removeHook(hook, tensor, place)
Napi::Value RemoveHook(const Napi::CallbackInfo& info, Environment& environment) {
  auto found = environment.hooks.find(static_cast<uint32_t>(IntegerArgument(info, 0, "hook")));
  if (found != environment.hooks.end()) {
    if (auto hook = found->second.lock()) c10::static_intrusive_pointer_cast<GradientHook>(hook)->removed = true;
    environment.hooks.erase(found);
  }
  Handle handle = NumberArgument(info, 1, "tensor");
  if (environment.handles.Alive(handle) && environment.Recording() == nullptr) {
    const at::Tensor& tensor = environment.handles.Get(handle);
    environment.flights->Settle(tensor, true);
    tensor.remove_hook(static_cast<unsigned>(IntegerArgument(info, 2, "place")));
  }
  return info.Env().Undefined();
}

// droppedHooks(): numbers of hooks that nothing can call any more, told once.
Napi::Value DroppedHooks(const Napi::CallbackInfo& info, Environment& environment) {
  std::vector<uint32_t> dropped;
  {
    std::lock_guard lock(environment.hook_table->mutex);
    dropped.swap(environment.hook_table->dropped);
  }
  auto numbers = Napi::Array::New(info.Env(), dropped.size());
  for (size_t i = 0; i < dropped.size(); i++) {
    environment.hooks.erase(dropped[i]);
    numbers[i] = Napi::Number::New(info.Env(), dropped[i]);
  }
  return numbers;
}

// gate(tensors, hook): the same tensors, whose gradients come together by way of the hook.
Napi::Value Gate(const Napi::CallbackInfo& info, Environment& environment) {
  auto tensors = TensorsArgument(info, 0, environment);
  if (environment.Recording())
    throw Misuse("ERR_CAPTURE", "Expected no full backward hook in a captured step: use hooks on tensors there");
  return AddAll(info.Env(), environment, GateNode::apply(NewHook(info, 1, environment), at::TensorList(tensors)));
}

}  // namespace

std::vector<at::Tensor> RecordedFunction::Apply(std::vector<at::Tensor> inputs,
                                                const std::vector<at::Tensor>* first) {
  return FunctionNode::apply(c10::intrusive_ptr<RecordedFunction>::reclaim_copy(this), first, at::TensorList(inputs));
}

GradientHook::~GradientHook() {
  if (auto table = table_.lock()) {
    std::lock_guard lock(table->mutex);
    table->dropped.push_back(number_);
  }
}

std::vector<at::Tensor> GradientHook::Call(const std::vector<at::Tensor>& gradients) {
  if (removed) return gradients;
  auto table = table_.lock();
  if (table && table->thread == std::this_thread::get_id()) return CallJavaScript(*table, gradients);
  std::shared_ptr<const Record> record;
  {
    std::lock_guard lock(mutex_);
    auto found = records_.find(FormOf(gradients));
    if (found != records_.end()) record = found->second;
  }
  if (!record)
    throw Misuse("ERR_CAPTURE",
                 "A gradient hook can't be called on another thread than its own before a captured step has recorded it "
                 "for gradients of this form: " + FormOf(gradients));
  return record->RunInline(gradients);
}

std::vector<at::Tensor> GradientHook::CallJavaScript(HookTable& table, const std::vector<at::Tensor>& gradients) {
  Environment& environment = *table.environment;
  Napi::Env env = environment.hook_runner.Env();
  Napi::HandleScope scope(env);
  StackAside aside(environment.stack);
  bool recording = environment.Recording() != nullptr;
  auto given = AddAll(env, environment, gradients);
  Napi::Value answer = environment.hook_runner.Call(
      {Napi::Number::New(env, number_), given, Napi::Boolean::New(env, recording)});
  if (!answer.IsTypedArray()) return gradients;
  auto handles = answer.As<Napi::Float64Array>();  // the record's number, then the gradients
  std::vector<at::Tensor> changed;
  for (size_t i = 1; i < handles.ElementLength(); i++) changed.push_back(environment.handles.Get(handles[i]));
  if (recording) {
    auto record = environment.records.find(static_cast<uint32_t>(handles[0]));
    std::lock_guard lock(mutex_);
    if (record != environment.records.end()) {
      records_[FormOf(gradients)] = record->second;
      environment.records.erase(record);
    }
  }
  return changed;
}

unsigned AddHook(const at::Tensor& tensor, c10::intrusive_ptr<GradientHook> hook) {
  return tensor.register_hook([hook = std::move(hook)](const at::Tensor& gradient) -> at::Tensor {
    return gradient.defined() ? hook->Call({gradient})[0] : gradient;
  });
}

void ExportFunctions(Napi::Env env, Napi::Object exports) {
  Export<BeginFunction>(env, exports, "beginFunction");
  Export<EndFunction>(env, exports, "endFunction");
  Export<AbortFunction>(env, exports, "abortFunction");
  Export<ApplyFunction>(env, exports, "applyFunction");
  Export<SetHookRunner>(env, exports, "setHookRunner");
  Export<AddHookTo>(env, exports, "addHook");
  Export<RemoveHook>(env, exports, "removeHook");
  Export<DroppedHooks>(env, exports, "droppedHooks");
  Export<Gate>(env, exports, "gate");
}

}  // namespace isotorch
