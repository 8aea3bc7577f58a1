// Devices, seeds, threads and what LibTorch says of itself. Accelerators go through LibTorch's generic interface, so
// that nothing here links CUDA.
#include <ATen/ATen.h>
#include <ATen/DeviceAccelerator.h>
#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <torch/csrc/inductor/aoti_torch/c/shim.h>
#include <torch/version.h>

#include "bridge.h"
#include "capture/recorder.h"
#include "flights.h"
#include "plain.h"

namespace isotorch {
namespace {

Napi::Value Accelerator(const Napi::CallbackInfo& info, Environment&) {
  auto type = at::accelerator::getAccelerator(false);
  if (!type || at::accelerator::deviceCount() == 0) return info.Env().Undefined();
  return Napi::String::New(info.Env(), c10::DeviceTypeName(*type, /*lower_case=*/true));
}

Napi::Value DeviceCount(const Napi::CallbackInfo& info, Environment&) {
  bool any = at::accelerator::getAccelerator(false).has_value();
  return Napi::Number::New(info.Env(), any ? at::accelerator::deviceCount() : 0);
}

// The index of an accelerator, checked: LibTorch would abort on some calls with a wrong one.
c10::DeviceIndex Index(const Napi::CallbackInfo& info, size_t argument) {
  int64_t index = IntegerArgument(info, argument, "device index");
  bool any = at::accelerator::getAccelerator(false).has_value();
  int64_t count = any ? at::accelerator::deviceCount() : 0;
  if (index < 0 || index >= count) {
    throw Misuse("ERR_DEVICE", "Expected the index of one of " + std::to_string(count) + " accelerators but received " +
                                   std::to_string(index));
  }
  return static_cast<c10::DeviceIndex>(index);
}

Napi::Value SetDevice(const Napi::CallbackInfo& info, Environment&) {
  at::accelerator::setDeviceIndex(Index(info, 0));
  return info.Env().Undefined();
}

Napi::Value Synchronize(const Napi::CallbackInfo& info, Environment&) {
  at::accelerator::synchronizeDevice(Index(info, 0));
  return info.Env().Undefined();
}

// Seeds and states are JavaScript's business: a replay would not see them change.
void OutsideOfSteps(Environment& environment, const char* what) {
  if (environment.Recording())
    throw Misuse("ERR_CAPTURE", std::string("Expected ") + what +
                                    " outside of a captured step: each run would begin with "
                                    "the same random numbers");
  environment.flights->SettleRandom();
}

// memoryStats(index): bytes of the caching allocator, and of the device itself.
Napi::Value MemoryStats(const Napi::CallbackInfo& info, Environment&) {
  c10::DeviceIndex index = Index(info, 0);
  auto stats = at::accelerator::getDeviceStats(index);
  auto [free, total] = at::accelerator::getMemoryInfo(index);
  constexpr auto kAll = static_cast<size_t>(c10::CachingAllocator::StatType::AGGREGATE);
  Napi::Object object = Napi::Object::New(info.Env());
  auto set = [&](const char* name, double bytes) { object[name] = Napi::Number::New(info.Env(), bytes); };
  set("allocated", static_cast<double>(stats.allocated_bytes[kAll].current));
  set("maxAllocated", static_cast<double>(stats.allocated_bytes[kAll].peak));
  set("reserved", static_cast<double>(stats.reserved_bytes[kAll].current));
  set("maxReserved", static_cast<double>(stats.reserved_bytes[kAll].peak));
  set("free", static_cast<double>(free));
  set("total", static_cast<double>(total));
  return object;
}

Napi::Value ResetPeakMemoryStats(const Napi::CallbackInfo& info, Environment&) {
  at::accelerator::resetPeakStats(Index(info, 0));
  return info.Env().Undefined();
}

Napi::Value EmptyCache(const Napi::CallbackInfo& info, Environment&) {
  if (at::accelerator::getAccelerator(false) && at::accelerator::deviceCount() > 0) at::accelerator::emptyCache();
  return info.Env().Undefined();
}

Napi::Value ManualSeed(const Napi::CallbackInfo& info, Environment& environment) {
  OutsideOfSteps(environment, "manualSeed");
  at::manual_seed(static_cast<uint64_t>(IntegerArgument(info, 0, "seed")));
  return info.Env().Undefined();
}

at::Generator DefaultGenerator(const std::string& device) {
  c10::Device parsed("cpu");
  try {
    parsed = c10::Device(device);
  } catch (const c10::Error&) {
    throw Misuse("ERR_DEVICE", "Expected a device such as 'cpu' or 'cuda:0' but received '" + device + "'");
  }
  return at::globalContext().defaultGenerator(parsed);
}

// createGenerator(device): its number.
Napi::Value CreateGenerator(const Napi::CallbackInfo& info, Environment& environment) {
  at::Generator generator = DefaultGenerator(StringArgument(info, 0, "device")).clone();
  generator.set_current_seed(c10::default_rng_seed_val);
  uint32_t number = environment.next_generator++;
  environment.generators.emplace(number, generator);
  return Napi::Number::New(info.Env(), number);
}

at::Generator& GeneratorArgument(const Napi::CallbackInfo& info, size_t index, Environment& environment) {
  auto found = environment.generators.find(static_cast<uint32_t>(IntegerArgument(info, index, "generator")));
  if (found == environment.generators.end()) throw Misuse("ERR_ARGUMENT", "Expected a live Generator");
  return found->second;
}

Napi::Value ReleaseGenerator(const Napi::CallbackInfo& info, Environment& environment) {
  return Napi::Boolean::New(
      info.Env(), environment.generators.erase(static_cast<uint32_t>(IntegerArgument(info, 0, "generator"))) > 0);
}

Napi::Value SeedGenerator(const Napi::CallbackInfo& info, Environment& environment) {
  OutsideOfSteps(environment, "a generator's manualSeed");
  at::Generator& generator = GeneratorArgument(info, 0, environment);
  std::lock_guard lock(generator.mutex());
  generator.set_current_seed(static_cast<uint64_t>(IntegerArgument(info, 1, "seed")));
  return info.Env().Undefined();
}

// generatorState(generator | device): a uint8 tensor. setGeneratorState(generator | device, state).
at::Generator AnyGenerator(const Napi::CallbackInfo& info, Environment& environment) {
  return info[0].IsString() ? DefaultGenerator(StringArgument(info, 0, "device"))
                            : GeneratorArgument(info, 0, environment);
}

Napi::Value GeneratorState(const Napi::CallbackInfo& info, Environment& environment) {
  OutsideOfSteps(environment, "a generator's state");
  at::Generator generator = AnyGenerator(info, environment);
  std::lock_guard lock(generator.mutex());
  return ToJs(info.Env(), environment, generator.get_state());
}

Napi::Value SetGeneratorState(const Napi::CallbackInfo& info, Environment& environment) {
  OutsideOfSteps(environment, "a generator's state");
  at::Generator generator = AnyGenerator(info, environment);
  at::Tensor state = TensorArgument(info, 1, environment);
  environment.flights->Settle(state, false);
  state = Plain(state);
  if (state.scalar_type() != at::kByte || state.dim() != 1 || !state.is_contiguous() || !state.is_cpu()) {
    throw Misuse("ERR_ARGUMENT", "Expected a generator's state: a uint8 vector on the CPU");
  }
  std::lock_guard lock(generator.mutex());
  generator.set_state(state);
  return info.Env().Undefined();
}

Napi::Value GetNumThreads(const Napi::CallbackInfo& info, Environment&) {
  return Napi::Number::New(info.Env(), at::get_num_threads());
}

Napi::Value SetNumThreads(const Napi::CallbackInfo& info, Environment&) {
  int64_t count = IntegerArgument(info, 0, "number of threads");
  if (count < 1 || count > 4096)
    throw Misuse("ERR_ARGUMENT", "Expected 1 to 4096 threads but received " + std::to_string(count));
  at::set_num_threads(static_cast<int>(count));
  return info.Env().Undefined();
}

// backendFlag(name, value?): the switch of LibTorch's context, set if a value is given.
Napi::Value BackendFlag(const Napi::CallbackInfo& info, Environment&) {
  struct Flag {
    const char* name;
    bool (*get)();
    void (*set)(bool);
  };
  static const Flag kFlags[] = {
      {"cudnn.enabled", [] { return at::globalContext().userEnabledCuDNN(); },
       [](bool value) { at::globalContext().setUserEnabledCuDNN(value); }},
      {"cudnn.benchmark", [] { return at::globalContext().benchmarkCuDNN(); },
       [](bool value) { at::globalContext().setBenchmarkCuDNN(value); }},
      {"cudnn.deterministic", [] { return at::globalContext().deterministicCuDNN(); },
       [](bool value) { at::globalContext().setDeterministicCuDNN(value); }},
      {"cudnn.allow_tf32", [] { return at::globalContext().allowTF32CuDNN(); },
       [](bool value) { at::globalContext().setAllowTF32CuDNN(value); }},
      {"cuda.matmul.allow_tf32", [] { return at::globalContext().allowTF32CuBLAS(); },
       [](bool value) { at::globalContext().setAllowTF32CuBLAS(value); }},
      {"mkldnn.enabled", [] { return at::globalContext().userEnabledMkldnn(); },
       [](bool value) { at::globalContext().setUserEnabledMkldnn(value); }},
  };
  std::string name = StringArgument(info, 0, "name");
  for (const Flag& flag : kFlags) {
    if (name != flag.name) continue;
    if (!info[1].IsUndefined()) flag.set(BooleanArgument(info, 1, "value"));
    return Napi::Boolean::New(info.Env(), flag.get());
  }
  throw Misuse("ERR_ARGUMENT", "LibTorch has no switch " + name);
}

Napi::Value BuildInfo(const Napi::CallbackInfo& info, Environment&) {
  Napi::Env env = info.Env();
  uint64_t version = aoti_torch_abi_version();
  auto part = [version](int shift) { return std::to_string((version >> shift) & 0xff); };
  Napi::Object object = Napi::Object::New(env);
  object["torchVersion"] = Napi::String::New(env, TORCH_VERSION);
  object["runtimeVersion"] = Napi::String::New(env, part(56) + "." + part(48) + "." + part(40));
  object["cxx11Abi"] = Napi::Boolean::New(env, _GLIBCXX_USE_CXX11_ABI);
  object["config"] = Napi::String::New(env, at::show_config());
  object["parallel"] = Napi::String::New(env, at::get_parallel_info());
  object["cpuCapability"] = Napi::String::New(env, at::get_cpu_capability());
  object["threads"] = Napi::Number::New(env, at::get_num_threads());
  object["interopThreads"] = Napi::Number::New(env, at::get_num_interop_threads());
  return object;
}

}  // namespace

void ExportDevices(Napi::Env env, Napi::Object exports) {
  Export<Accelerator>(env, exports, "accelerator");
  Export<DeviceCount>(env, exports, "deviceCount");
  Export<SetDevice>(env, exports, "setDevice");
  Export<Synchronize>(env, exports, "synchronize");
  Export<MemoryStats>(env, exports, "memoryStats");
  Export<ResetPeakMemoryStats>(env, exports, "resetPeakMemoryStats");
  Export<EmptyCache>(env, exports, "emptyCache");
  Export<ManualSeed>(env, exports, "manualSeed");
  Export<CreateGenerator>(env, exports, "createGenerator");
  Export<ReleaseGenerator>(env, exports, "releaseGenerator");
  Export<SeedGenerator>(env, exports, "seedGenerator");
  Export<GeneratorState>(env, exports, "generatorState");
  Export<SetGeneratorState>(env, exports, "setGeneratorState");
  Export<GetNumThreads>(env, exports, "getNumThreads");
  Export<SetNumThreads>(env, exports, "setNumThreads");
  Export<BackendFlag>(env, exports, "backendFlag");
  Export<BuildInfo>(env, exports, "buildInfo");
}

}  // namespace isotorch
