// The bridge's entry: builds one environment's state and its exports. All state lives in that environment's instance
// data, never in statics, so that workers can load the addon beside the main thread and end in any order.
#include <ATen/ATen.h>
#include <torch/csrc/inductor/aoti_torch/c/shim.h>
#include <torch/version.h>

#include <cstdlib>
#include <mutex>

#include "bridge.h"
#include "capture/memory.h"
#include "capture/recorder.h"
#include "feed.h"
#include "flights.h"

namespace isotorch {
namespace {

// LibTorch's vector math (MKL's) can return 11-bit results when its very first call of a process happens on several
// threads at once. One small call of each function on this thread first, and every run is reproducible.
void WarmUpVectorMath() {
  static std::once_flag once;
  std::call_once(once, [] {
    at::NoGradGuard no_grad;
    for (auto dtype : {at::kFloat, at::kDouble}) {
      at::Tensor x = at::ones({16}, at::TensorOptions().dtype(dtype));
      for (auto f : {at::sqrt, at::log, at::tanh, at::exp, at::sin, at::cos, at::rsqrt, at::erf, at::log1p, at::expm1})
        f(x);
    }
  });
}

// A compiled package (.pt2) trusts its inputs unless this is set: tensors of other shapes would make it read and write
// beyond its memory. It looks when it runs first; now, before there are other threads, the environment can be changed
// safely.
void CheckInputsOfPackages() {
  static std::once_flag once;
  std::call_once(once, [] { setenv("AOTI_RUNTIME_CHECK_INPUTS", "1", /*overwrite=*/0); });
}

void RequireMatchingLibTorch(Napi::Env env) {
  uint64_t running = aoti_torch_abi_version();
  uint64_t major = running >> 56, minor = (running >> 48) & 0xff;
  if (major == TORCH_VERSION_MAJOR && minor == TORCH_VERSION_MINOR) return;
  Napi::Error error = Napi::Error::New(env, "This addon was built for LibTorch " + std::string(TORCH_VERSION) +
                                                " but found " + std::to_string(major) + "." + std::to_string(minor) +
                                                ". Point LIBTORCH at a matching one, or rebuild with `npm run setup`");
  error.Set("code", "ERR_LIBTORCH_VERSION");
  throw error;
}

// setErrorClass(IsotorchError)
Napi::Value SetErrorClass(const Napi::CallbackInfo& info, Environment& environment) {
  if (!info[0].IsFunction()) throw Misuse("ERR_ARGUMENT", "Expected a class for errors");
  environment.error_class = Napi::Persistent(info[0].As<Napi::Function>());
  return info.Env().Undefined();
}

// close(): ends what this environment has under way, and takes no more. Node does not run an environment's cleanup
// hooks when JavaScript calls process.exit(), and a compute thread must not meet LibTorch's static destructors.
Napi::Value Close(const Napi::CallbackInfo& info, Environment& environment) {
  environment.Close();
  return info.Env().Undefined();
}

napi_value Init(Napi::Env env, Napi::Object exports) {
  RequireMatchingLibTorch(env);
  CheckInputsOfPackages();
  StepMemory::Install();
  WarmUpVectorMath();
  auto* environment = new Environment(env);
  env.SetInstanceData(environment);
  environment->mailbox = std::make_shared<Mailbox>(env);
  // After the mailbox's own hook, so before it when the environment closes: hooks run in reverse order.
  env.AddCleanupHook([](Environment* closing) { closing->Close(); }, environment);
  Export<Close>(env, exports, "close");
  Export<SetErrorClass>(env, exports, "setErrorClass");
  ExportTensors(env, exports);
  ExportOperators(env, exports);
  ExportSchemas(env, exports);
  ExportAutograd(env, exports);
  ExportCapture(env, exports);
  ExportFunctions(env, exports);
  ExportRuns(env, exports);
  ExportPrinting(env, exports);
  ExportSnapshots(env, exports);
  ExportStorage(env, exports);
  ExportDevices(env, exports);
  ExportFeeds(env, exports);
  ExportFiles(env, exports);
  ExportScripts(env, exports);
  ExportPackages(env, exports);
  return exports;
}

}  // namespace

Environment::Environment(napi_env env) : flights(std::make_unique<Flights>([env] { return IsEnding(env); })) {}
Environment::~Environment() = default;

void Environment::Close() {
  mailbox->Abandon();
  flights->Abandon();  // nobody waits for what will not come
  feeds.clear();       // their threads end, and settle what they owe
  mailbox->Close();
}

bool IsEnding(napi_env env) {
  Napi::HandleScope scope(env);
  bool has;
  return napi_has_named_property(env, Napi::Env(env).Global(), "isotorch", &has) != napi_ok;
}

double NumberArgument(const Napi::CallbackInfo& info, size_t index, const char* name) {
  if (!info[index].IsNumber()) throw Misuse("ERR_ARGUMENT", std::string("Expected a number for ") + name);
  return info[index].As<Napi::Number>().DoubleValue();
}

int64_t IntegerArgument(const Napi::CallbackInfo& info, size_t index, const char* name) {
  Plan plan;
  plan.name = name;
  plan.kind = Kind::kInt;
  return FromJs(info.Env(), info[index], plan, Environment::Of(info.Env())).toInt();
}

bool BooleanArgument(const Napi::CallbackInfo& info, size_t index, const char* name) {
  if (!info[index].IsBoolean()) throw Misuse("ERR_ARGUMENT", std::string("Expected a boolean for ") + name);
  return info[index].As<Napi::Boolean>();
}

std::string StringArgument(const Napi::CallbackInfo& info, size_t index, const char* name) {
  if (!info[index].IsString()) throw Misuse("ERR_ARGUMENT", std::string("Expected a string for ") + name);
  return info[index].As<Napi::String>();
}

c10::DeviceType DeviceTypeArgument(const Napi::CallbackInfo& info, size_t index) {
  std::string name = StringArgument(info, index, "device");
  try {
    return c10::Device(name).type();
  } catch (const c10::Error&) {
    throw Misuse("ERR_DEVICE", "Expected a kind of device such as 'cpu' or 'cuda' but received '" + name + "'");
  }
}

const at::Tensor& TensorArgument(const Napi::CallbackInfo& info, size_t index, const Environment& environment) {
  return environment.handles.Get(NumberArgument(info, index, "tensor"));
}

std::vector<at::Tensor> TensorsArgument(const Napi::CallbackInfo& info, size_t index, const Environment& environment,
                                        bool optional) {
  if (!info[index].IsTypedArray() || info[index].As<Napi::TypedArray>().TypedArrayType() != napi_float64_array) {
    throw Misuse("ERR_ARGUMENT", "Expected a Float64Array of tensors");
  }
  auto handles = info[index].As<Napi::Float64Array>();
  std::vector<at::Tensor> tensors;
  tensors.reserve(handles.ElementLength());
  for (size_t i = 0; i < handles.ElementLength(); i++) {
    tensors.push_back(optional && handles[i] == 0 ? at::Tensor() : environment.handles.Get(handles[i]));
  }
  return tensors;
}

Napi::Value ToJs(Napi::Env env, Environment& environment, at::Tensor tensor) {
  if (!tensor.defined()) return env.Null();
  return Napi::Number::New(env, environment.handles.Add(std::move(tensor)));
}

void AccountMemory(Napi::Env env, Environment& environment) {
  // V8 marks its whole heap after every 64 MiB that it is told of. It learns of growth in proportion, as its own heap's
  // limit grows, so that loading a large model costs a few collections and garbage never holds more than a quarter
  // beside it.
  constexpr int64_t kGrowth = 64 << 20, kShrinkage = 8 << 20;
  int64_t delta = environment.handles.ByteDelta();
  if (delta > -kShrinkage && delta < kGrowth + environment.told_bytes / 4) return;
  environment.told_bytes += environment.handles.TakeByteDelta();
  int64_t total;
  napi_adjust_external_memory(env, delta, &total);
}

}  // namespace isotorch

// Called by the loader, once in each environment.
extern "C" __attribute__((visibility("default"))) napi_value isotorch_init(napi_env env, napi_value exports) {
  try {
    return isotorch::Init(env, Napi::Object(env, exports));
  } catch (const Napi::Error& error) {
    error.ThrowAsJavaScriptException();
  } catch (const std::exception& error) {
    napi_throw_error(env, "ERR_LIBTORCH", error.what());
  }
  return nullptr;
}
