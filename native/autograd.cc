// Gradients: backward(), grad(), the .grad of a tensor, and the modes that switch recording off.
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>

#include "autocast.h"
#include "bridge.h"
#include "capture/recorder.h"
#include "flights.h"
#include "plain.h"

namespace isotorch {
namespace {

// The numbers of a Float64Array, which TensorsArgument has checked.
std::vector<Handle> HandlesOf(const Napi::CallbackInfo& info, size_t index) {
  auto array = info[index].As<Napi::Float64Array>();
  return {array.Data(), array.Data() + array.ElementLength()};
}

// Custom functions on the way of gradients may write to what they reach.
void SettleFunctions(Environment& environment) {
  if (!environment.flights->Any()) return;
  for (const auto& [number, record] : environment.records)
    if (record->inlined) environment.flights->Settle(record->touched);
}

// backward(tensors, gradients, retainGraph, createGraph, inputs): handles in Float64Arrays, 0 for "no gradient".
Napi::Value Backward(const Napi::CallbackInfo& info, Environment& environment) {
  auto tensors = TensorsArgument(info, 0, environment);
  auto gradients = TensorsArgument(info, 1, environment, true);
  bool retain = BooleanArgument(info, 2, "retainGraph");
  bool create = BooleanArgument(info, 3, "createGraph");
  auto inputs = TensorsArgument(info, 4, environment);
  environment.flights->SettleGradients(tensors);
  SettleFunctions(environment);
  torch::autograd::backward(tensors, gradients, retain, create, inputs);
  if (Recorder* recorder = environment.Recording())
    recorder->Backward(HandlesOf(info, 0), HandlesOf(info, 1), HandlesOf(info, 4), retain, create);
  return info.Env().Undefined();
}

// grad(outputs, inputs, gradients, retainGraph, createGraph, allowUnused): an array of handles, null where unused.
Napi::Value Grad(const Napi::CallbackInfo& info, Environment& environment) {
  auto outputs = TensorsArgument(info, 0, environment);
  auto inputs = TensorsArgument(info, 1, environment);
  auto gradients = TensorsArgument(info, 2, environment, true);
  bool retain = BooleanArgument(info, 3, "retainGraph");
  bool create = BooleanArgument(info, 4, "createGraph");
  bool unused = BooleanArgument(info, 5, "allowUnused");
  environment.flights->SettleSteps();
  SettleFunctions(environment);
  auto results = torch::autograd::grad(outputs, inputs, gradients, retain, create, unused);
  auto array = Napi::Array::New(info.Env(), results.size());
  std::vector<Handle> handles;
  for (size_t i = 0; i < results.size(); i++) {
    handles.push_back(results[i].defined() ? environment.handles.Add(results[i]) : 0);
    array[i] = results[i].defined() ? Napi::Value(Napi::Number::New(info.Env(), handles[i])) : info.Env().Null();
  }
  if (Recorder* recorder = environment.Recording())
    recorder->Grad(HandlesOf(info, 0), HandlesOf(info, 1), HandlesOf(info, 2), retain, create, unused, handles);
  return array;
}

Napi::Value GetGrad(const Napi::CallbackInfo& info, Environment& environment) {
  at::Tensor tensor = TensorArgument(info, 0, environment);
  environment.flights->Settle(tensor, false);
  Napi::Value gradient = ToJs(info.Env(), environment, GradientInMemory(tensor));
  if (Recorder* recorder = environment.Recording())
    recorder->GetGrad(NumberArgument(info, 0, "tensor"),
                      gradient.IsNumber() ? gradient.As<Napi::Number>().DoubleValue() : 0);
  return gradient;
}

// setGrad(tensor, gradient | null), with the checks that Python's setter makes.
Napi::Value SetGrad(const Napi::CallbackInfo& info, Environment& environment) {
  at::Tensor tensor = TensorArgument(info, 0, environment);
  at::Tensor gradient;
  if (!info[1].IsNull()) {
    gradient = TensorArgument(info, 1, environment);
    if (gradient.sizes() != tensor.sizes()) {
      throw Misuse("ERR_SHAPE", "Expected a gradient of the tensor's own shape " + c10::str(tensor.sizes()) +
                                    " but received " + c10::str(gradient.sizes()));
    }
    if (gradient.scalar_type() != tensor.scalar_type()) {
      throw Misuse("ERR_DTYPE", std::string("Expected a gradient of the tensor's own dtype ") +
                                    DtypeName(tensor.scalar_type()) + " but received " +
                                    DtypeName(gradient.scalar_type()));
    }
    if (gradient.device() != tensor.device()) {
      throw Misuse("ERR_DEVICE", "Expected a gradient on the tensor's own device " + tensor.device().str() +
                                     " but received one on " + gradient.device().str());
    }
    if (gradient.is_same(tensor)) throw Misuse("ERR_AUTOGRAD", "A tensor can't be its own gradient");
  }
  environment.flights->SettleForm(tensor);
  tensor.mutable_grad() = gradient;
  if (Recorder* recorder = environment.Recording())
    recorder->SetGrad(NumberArgument(info, 0, "tensor"), info[1].IsNull() ? 0 : NumberArgument(info, 1, "gradient"));
  return info.Env().Undefined();
}

Napi::Value SetRequiresGrad(const Napi::CallbackInfo& info, Environment& environment) {
  at::Tensor tensor = TensorArgument(info, 0, environment);
  bool value = BooleanArgument(info, 1, "requiresGrad");
  environment.flights->SettleForm(tensor);
  tensor.requires_grad_(value);
  if (Recorder* recorder = environment.Recording()) recorder->RequiresGrad(NumberArgument(info, 0, "tensor"), value);
  return info.Env().Undefined();
}

// gradMode(enabled): the mode before.
Napi::Value GradMode(const Napi::CallbackInfo& info, Environment& environment) {
  bool before = at::GradMode::is_enabled();
  if (!info[0].IsUndefined()) {
    bool enabled = BooleanArgument(info, 0, "enabled");
    at::GradMode::set_enabled(enabled);
    if (Recorder* recorder = environment.Recording()) recorder->GradMode(enabled);
  }
  return Napi::Boolean::New(info.Env(), before);
}

Napi::Value BeginInference(const Napi::CallbackInfo& info, Environment& environment) {
  bool enabled = BooleanArgument(info, 0, "enabled");
  environment.inference.push_back(std::make_unique<c10::InferenceMode>(enabled));
  if (Recorder* recorder = environment.Recording()) recorder->Inference(true, enabled);
  return info.Env().Undefined();
}

Napi::Value EndInference(const Napi::CallbackInfo& info, Environment& environment) {
  if (environment.inference.empty()) throw Misuse("ERR_ARGUMENT", "Expected inference mode to have begun");
  environment.inference.pop_back();
  if (Recorder* recorder = environment.Recording()) recorder->Inference(false, false);
  return info.Env().Undefined();
}

// beginAutocast(device type, dtype | null for the present one, enabled, cacheEnabled)
Napi::Value BeginAutocast(const Napi::CallbackInfo& info, Environment& environment) {
  AutocastSettings settings;
  settings.device = DeviceTypeArgument(info, 0);
  settings.dtype = info[1].IsNull() ? at::autocast::get_autocast_dtype(settings.device)
                                    : DtypeFromName(StringArgument(info, 1, "dtype"));
  settings.enabled = BooleanArgument(info, 2, "enabled");
  settings.cache_enabled = BooleanArgument(info, 3, "cacheEnabled");
  environment.autocast.push_back(std::make_unique<AutocastRegion>(settings));
  if (Recorder* recorder = environment.Recording()) recorder->Autocast(true, settings);
  return info.Env().Undefined();
}

Napi::Value EndAutocast(const Napi::CallbackInfo& info, Environment& environment) {
  if (environment.autocast.empty()) throw Misuse("ERR_ARGUMENT", "Expected autocast to have begun");
  environment.autocast.pop_back();
  if (Recorder* recorder = environment.Recording()) recorder->Autocast(false, {});
  return info.Env().Undefined();
}

}  // namespace

void ExportAutograd(Napi::Env env, Napi::Object exports) {
  Export<Backward>(env, exports, "backward");
  Export<Grad>(env, exports, "grad");
  Export<GetGrad>(env, exports, "getGrad");
  Export<SetGrad>(env, exports, "setGrad");
  Export<SetRequiresGrad>(env, exports, "setRequiresGrad");
  Export<GradMode>(env, exports, "gradMode");
  Export<BeginInference>(env, exports, "beginInference");
  Export<EndInference>(env, exports, "endInference");
  Export<BeginAutocast>(env, exports, "beginAutocast");
  Export<EndAutocast>(env, exports, "endAutocast");
}

}  // namespace isotorch
