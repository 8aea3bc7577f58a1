// Facts of a tensor and the life of its handle: shape, dtype, scopes, release, memory().
#include "bridge.h"
#include "capture/recorder.h"
#include "flights.h"
#include "names.h"
#include "plain.h"

namespace isotorch {
namespace {

Napi::Array Integers(Napi::Env env, at::IntArrayRef values) {
  auto array = Napi::Array::New(env, values.size());
  for (size_t i = 0; i < values.size(); i++) array[i] = Napi::Number::New(env, static_cast<double>(values[i]));
  return array;
}

[[noreturn]] void RefuseNested(const char* what) {
  throw Misuse("ERR_ARGUMENT", std::string("A nested tensor has no ") + what + " of its own; unbind() gives its parts");
}

Napi::Value Shape(const Napi::CallbackInfo& info, Environment& environment) {
  const at::Tensor& tensor = TensorArgument(info, 0, environment);
  if (tensor.is_nested()) RefuseNested("shape");
  return Integers(info.Env(), tensor.sizes());
}

Napi::Value Ndim(const Napi::CallbackInfo& info, Environment& environment) {
  return Napi::Number::New(info.Env(), static_cast<double>(TensorArgument(info, 0, environment).dim()));
}

Napi::Value Stride(const Napi::CallbackInfo& info, Environment& environment) {
  const at::Tensor& tensor = TensorArgument(info, 0, environment);
  if (tensor.is_nested()) RefuseNested("strides");
  return Integers(info.Env(), tensor.strides());
}

Napi::Value Dtype(const Napi::CallbackInfo& info, Environment& environment) {
  return Napi::String::New(info.Env(), DtypeName(TensorArgument(info, 0, environment).scalar_type()));
}

Napi::Value Layout(const Napi::CallbackInfo& info, Environment& environment) {
  at::Layout layout = TensorArgument(info, 0, environment).layout();
  for (auto& [name, known] : kLayouts)
    if (known == layout) return Napi::String::New(info.Env(), name);
  return info.Env().Undefined();
}

Napi::Value Device(const Napi::CallbackInfo& info, Environment& environment) {
  return Napi::String::New(info.Env(), TensorArgument(info, 0, environment).device().str());
}

Napi::Value Numel(const Napi::CallbackInfo& info, Environment& environment) {
  return Napi::Number::New(info.Env(), static_cast<double>(TensorArgument(info, 0, environment).numel()));
}

Napi::Value StorageOffset(const Napi::CallbackInfo& info, Environment& environment) {
  return Napi::Number::New(info.Env(), static_cast<double>(TensorArgument(info, 0, environment).storage_offset()));
}

Napi::Value RequiresGrad(const Napi::CallbackInfo& info, Environment& environment) {
  return Napi::Boolean::New(info.Env(), TensorArgument(info, 0, environment).requires_grad());
}

Napi::Value IsContiguous(const Napi::CallbackInfo& info, Environment& environment) {
  return Napi::Boolean::New(info.Env(), TensorArgument(info, 0, environment).is_contiguous());
}

Napi::Value Item(const Napi::CallbackInfo& info, Environment& environment) {
  at::Tensor tensor = TensorArgument(info, 0, environment);
  if (Recorder* recorder = environment.Recording()) recorder->RefuseRead("A tensor's value (item)");
  environment.flights->Settle(tensor, false);
  if (tensor.numel() != 1)
    throw Misuse("ERR_SHAPE", "item: expected a tensor of one element but received " + InWords(tensor));
  if (tensor.is_meta()) throw Misuse("ERR_ARGUMENT", "item: expected a value but received " + Peculiarity(tensor));
  Plan plan;
  plan.kind = Kind::kScalar;
  return Napi::Value(info.Env(), ToJs(info.Env(), c10::IValue(tensor.item()), plan, environment));
}

Napi::Value Words(const Napi::CallbackInfo& info, Environment& environment) {
  return Napi::String::New(info.Env(), InWords(TensorArgument(info, 0, environment)));
}

Napi::Value IsAlive(const Napi::CallbackInfo& info, Environment& environment) {
  return Napi::Boolean::New(info.Env(), environment.handles.Alive(NumberArgument(info, 0, "tensor")));
}

// alias(tensor): a second handle of the very same tensor.
Napi::Value Alias(const Napi::CallbackInfo& info, Environment& environment) {
  Napi::Value alias = ToJs(info.Env(), environment, TensorArgument(info, 0, environment));
  if (Recorder* recorder = environment.Recording())
    recorder->Alias(NumberArgument(info, 0, "tensor"), alias.As<Napi::Number>().DoubleValue());
  return alias;
}

Napi::Value Release(const Napi::CallbackInfo& info, Environment& environment) {
  bool released = environment.handles.Release(NumberArgument(info, 0, "tensor"));
  AccountMemory(info.Env(), environment);
  return Napi::Boolean::New(info.Env(), released);
}

Napi::Value Keep(const Napi::CallbackInfo& info, Environment& environment) {
  environment.handles.Keep(NumberArgument(info, 0, "tensor"));
  return info.Env().Undefined();
}

Napi::Value BeginScope(const Napi::CallbackInfo& info, Environment& environment) {
  environment.handles.BeginScope();
  return info.Env().Undefined();
}

// endScope(survivors: Float64Array)
Napi::Value EndScope(const Napi::CallbackInfo& info, Environment& environment) {
  if (!info[0].IsTypedArray() || info[0].As<Napi::TypedArray>().TypedArrayType() != napi_float64_array) {
    throw Misuse("ERR_ARGUMENT", "Expected a Float64Array of tensors");
  }
  auto survivors = info[0].As<Napi::Float64Array>();
  environment.handles.EndScope(survivors.Data(), survivors.ElementLength());
  AccountMemory(info.Env(), environment);
  return info.Env().Undefined();
}

Napi::Value Memory(const Napi::CallbackInfo& info, Environment& environment) {
  Napi::Object object = Napi::Object::New(info.Env());
  object["tensors"] = Napi::Number::New(info.Env(), static_cast<double>(environment.handles.Count()));
  object["bytes"] = Napi::Number::New(info.Env(), static_cast<double>(environment.handles.Bytes()));
  return object;
}

}  // namespace

void ExportTensors(Napi::Env env, Napi::Object exports) {
  Export<Shape>(env, exports, "shape");
  Export<Ndim>(env, exports, "ndim");
  Export<Stride>(env, exports, "stride");
  Export<Dtype>(env, exports, "dtype");
  Export<Layout>(env, exports, "layout");
  Export<Device>(env, exports, "device");
  Export<Numel>(env, exports, "numel");
  Export<StorageOffset>(env, exports, "storageOffset");
  Export<RequiresGrad>(env, exports, "requiresGrad");
  Export<IsContiguous>(env, exports, "isContiguous");
  Export<Item>(env, exports, "item");
  Export<Words>(env, exports, "inWords");
  Export<IsAlive>(env, exports, "isAlive");
  Export<Alias>(env, exports, "alias");
  Export<Release>(env, exports, "release");
  Export<Keep>(env, exports, "keep");
  Export<BeginScope>(env, exports, "beginScope");
  Export<EndScope>(env, exports, "endScope");
  Export<Memory>(env, exports, "memory");
}

}  // namespace isotorch
