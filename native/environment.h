// What one JavaScript environment (the main thread, or a worker) owns. Nothing here is static: see addon.cc.
#pragma once
#include <ATen/core/Generator.h>
#include <ATen/core/ivalue.h>
#include <c10/core/InferenceMode.h>
#include <napi.h>

#include <memory>
#include <unordered_map>
#include <vector>

#include "autocast.h"
#include "errors.h"
#include "handles.h"

namespace isotorch {

class Feed;
class Flights;
struct HookTable;
class Mailbox;
struct Operator;
class Recorder;
struct Record;
struct Run;
struct Script;
struct Package;
class Snapshot;

struct Environment {
  explicit Environment(napi_env env);
  ~Environment();
  // Ends what is under way, and takes no more.
  void Close();

  Handles handles;
  int64_t told_bytes = 0;  // what V8 knows of their memory
  // Operators by number, as far as this environment has called them; the stack of their arguments is kept for its
  // memory.
  struct Known {
    const Operator* op = nullptr;
    std::vector<c10::IValue> lists;  // by argument: the list of integers that was given last
  };
  std::vector<Known> operators;
  std::vector<c10::IValue> stack;

  std::unordered_map<uint32_t, at::Generator> generators;
  uint32_t next_generator = 1;
  std::vector<std::unique_ptr<c10::InferenceMode>> inference;  // stacks: guards must end in reverse order
  std::vector<std::unique_ptr<AutocastRegion>> autocast;

  std::unique_ptr<Recorder> recorder;  // while a step is recorded
  int recording_paused = 0;
  std::vector<std::pair<std::unique_ptr<Recorder>, int>> outer_recordings;  // around a function that is recorded
  std::unordered_map<uint32_t, std::shared_ptr<Record>> records;
  std::unordered_map<uint32_t, std::shared_ptr<Run>> runs;
  std::unordered_map<uint32_t, std::shared_ptr<Feed>> feeds;
  std::unordered_map<uint32_t, std::shared_ptr<Script>> scripts;    // TorchScript
  std::unordered_map<uint32_t, std::shared_ptr<Package>> packages;  // AOTInductor's
  std::unordered_map<uint32_t, std::shared_ptr<Snapshot>> snapshots;
  uint32_t next_record = 1, next_run = 1, next_feed = 1, next_script = 1, next_snapshot = 1;
  std::unique_ptr<Flights> flights;  // what touches memory while JavaScript goes on

  Napi::FunctionReference error_class;
  Napi::FunctionReference hook_runner;  // calls gradient hooks by number
  std::shared_ptr<HookTable> hook_table;
  std::unordered_map<uint32_t, c10::weak_intrusive_ptr<torch::CustomClassHolder>> hooks;
  std::shared_ptr<Mailbox> mailbox;  // to and from the compute thread

  // The recorder to tell of what happens now; null where nothing is recorded.
  Recorder* Recording() const { return recording_paused == 0 ? recorder.get() : nullptr; }

  static Environment& Of(Napi::Env env) { return *env.GetInstanceData<Environment>(); }
};

// Whether it takes no JavaScript any more: its worker is being terminated, or the process ends.
bool IsEnding(napi_env env);

using Body = Napi::Value (*)(const Napi::CallbackInfo&, Environment&);

// Exports `body` as exports[name]; no C++ exception leaves it.
template <Body body>
void Export(Napi::Env env, Napi::Object exports, const char* name) {
  exports.Set(name, Napi::Function::New(
                        env,
                        [](const Napi::CallbackInfo& info) -> Napi::Value {
                          try {
                            return body(info, Environment::Of(info.Env()));
                          } catch (...) {
                            ThrowCurrent(info.Env());
                            return Napi::Value();
                          }
                        },
                        name));
}

// Arguments of exported functions, checked: a wrong one throws ERR_ARGUMENT naming it.
double NumberArgument(const Napi::CallbackInfo& info, size_t index, const char* name);
int64_t IntegerArgument(const Napi::CallbackInfo& info, size_t index, const char* name);
bool BooleanArgument(const Napi::CallbackInfo& info, size_t index, const char* name);
c10::DeviceType DeviceTypeArgument(const Napi::CallbackInfo& info, size_t index);
std::string StringArgument(const Napi::CallbackInfo& info, size_t index, const char* name);
const at::Tensor& TensorArgument(const Napi::CallbackInfo& info, size_t index, const Environment& environment);
// A Float64Array of handles; 0 stands for an undefined tensor where `optional`.
std::vector<at::Tensor> TensorsArgument(const Napi::CallbackInfo& info, size_t index, const Environment& environment,
                                        bool optional = false);

// What an environment has under a number.
template <typename T>
const std::shared_ptr<T>& Numbered(const Napi::CallbackInfo& info, size_t index,
                                   const std::unordered_map<uint32_t, std::shared_ptr<T>>& table, const char* what) {
  int64_t number = IntegerArgument(info, index, what);
  auto found = number < 0 || number > UINT32_MAX ? table.end() : table.find(static_cast<uint32_t>(number));
  if (found == table.end()) throw Misuse("ERR_ARGUMENT", std::string("Expected a live ") + what);
  return found->second;
}

// A tensor on its way to JavaScript: a handle, or null if undefined.
Napi::Value ToJs(Napi::Env env, Environment& environment, at::Tensor tensor);

// Tells V8 of tensor memory it can't see, in steps of some megabytes.
void AccountMemory(Napi::Env env, Environment& environment);

}  // namespace isotorch
