// Gradients: backward(), grad(), the .grad of a tensor, and the modes that switch recording off.
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>

#include "bridge.h"

namespace isotorch {
namespace {

// backward(tensors, gradients, retainGraph, createGraph, inputs): handles in Float64Arrays, 0 for "no gradient".
Napi::Value Backward(const Napi::CallbackInfo& info, Environment& environment) {
  auto tensors = TensorsArgument(info, 0, environment);
  auto gradients = TensorsArgument(info, 1, environment, true);
  bool retain = BooleanArgument(info, 2, "retainGraph");
  bool create = BooleanArgument(info, 3, "createGraph");
  auto inputs = TensorsArgument(info, 4, environment);
  torch::autograd::backward(tensors, gradients, retain, create, inputs);
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
  auto results = torch::autograd::grad(outputs, inputs, gradients, retain, create, unused);
  auto array = Napi::Array::New(info.Env(), results.size());
  for (size_t i = 0; i < results.size(); i++) array[i] = ToJs(info.Env(), environment, results[i]);
  return array;
}

Napi::Value GetGrad(const Napi::CallbackInfo& info, Environment& environment) {
  return ToJs(info.Env(), environment, TensorArgument(info, 0, environment).grad());
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
  tensor.mutable_grad() = gradient;
  return info.Env().Undefined();
}

Napi::Value SetRequiresGrad(const Napi::CallbackInfo& info, Environment& environment) {
  at::Tensor tensor = TensorArgument(info, 0, environment);
  tensor.requires_grad_(BooleanArgument(info, 1, "requiresGrad"));
  return info.Env().Undefined();
}

// gradMode(enabled): the mode before.
Napi::Value GradMode(const Napi::CallbackInfo& info, Environment&) {
  bool before = at::GradMode::is_enabled();
  if (!info[0].IsUndefined()) at::GradMode::set_enabled(BooleanArgument(info, 0, "enabled"));
  return Napi::Boolean::New(info.Env(), before);
}

Napi::Value BeginInference(const Napi::CallbackInfo& info, Environment& environment) {
  environment.inference.push_back(std::make_unique<c10::InferenceMode>(BooleanArgument(info, 0, "enabled")));
  return info.Env().Undefined();
}

Napi::Value EndInference(const Napi::CallbackInfo& info, Environment& environment) {
  if (environment.inference.empty()) throw Misuse("ERR_ARGUMENT", "Expected inference mode to have begun");
  environment.inference.pop_back();
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
}

}  // namespace isotorch
