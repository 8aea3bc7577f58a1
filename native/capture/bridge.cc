// Capture at the boundary: begin and end a recording, look at records, open what accelerators bring. Running them: runs.cc.
#include "../bridge.h"

#include <ATen/autocast_mode.h>
#include <dlfcn.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

#include <array>
#include <atomic>
#include <sstream>

#include "../flights.h"
#include "plugin.h"
#include "recorder.h"

namespace isotorch {

namespace {

std::vector<Handle> HandlesArgument(const Napi::CallbackInfo& info, size_t index) {
  if (!info[index].IsTypedArray() || info[index].As<Napi::TypedArray>().TypedArrayType() != napi_float64_array)
    throw Misuse("ERR_ARGUMENT", "Expected a Float64Array of tensors");
  auto array = info[index].As<Napi::Float64Array>();
  return {array.Data(), array.Data() + array.ElementLength()};
}

// signature(inputs, mid_graph): what decides whether a record fits, as text: dtypes, shapes, devices, and this thread's
// modes. `mid_graph`: whether recorded operators may lead to the inputs.
Napi::Value Signature(const Napi::CallbackInfo& info, Environment& environment) {
  std::ostringstream text;
  bool mid_graph = BooleanArgument(info, 1, "mid_graph");
  for (const at::Tensor& tensor : TensorsArgument(info, 0, environment)) {
    if (!mid_graph && tensor.requires_grad() && !tensor.is_leaf())
      throw Misuse("ERR_CAPTURE", "Expected inputs that no recorded operator leads to, but received one of shape " +
                                      c10::str(tensor.sizes()) + " with a gradient function: pass input.detach()");
    text << DtypeName(tensor.scalar_type()) << tensor.sizes() << (tensor.requires_grad() ? "g" : "");
    if (!tensor.device().is_cpu()) text << tensor.device();
    if (tensor.layout() != at::kStrided) text << tensor.layout();
    text << ';';
  }
  if (!at::GradMode::is_enabled()) text << " no grad";
  if (c10::InferenceMode::is_enabled()) text << " inference";
  for (at::DeviceType device : {at::kCPU, at::kCUDA}) {
    if (at::autocast::is_autocast_enabled(device))
      text << " autocast " << device << ' ' << DtypeName(at::autocast::get_autocast_dtype(device));
  }
  return Napi::String::New(info.Env(), text.str());
}

Napi::Value BeginRecording(const Napi::CallbackInfo& info, Environment& environment) {
  if (environment.recorder)
    throw Misuse("ERR_CAPTURE",
                 "Expected no captured step inside another while it is recorded; call its function itself");
  auto inputs = HandlesArgument(info, 0);
  for (Handle input : inputs) environment.handles.Get(input);
  environment.flights->SettleSteps();
  environment.recorder = std::make_unique<Recorder>(environment.handles, inputs);
  environment.recording_paused = 0;
  return info.Env().Undefined();
}

// pauseRecording(paused): nests.
Napi::Value PauseRecording(const Napi::CallbackInfo& info, Environment& environment) {
  environment.recording_paused += BooleanArgument(info, 0, "paused") ? 1 : -1;
  if (environment.recording_paused < 0) environment.recording_paused = 0;
  return info.Env().Undefined();
}

Napi::Value AbortRecording(const Napi::CallbackInfo& info, Environment& environment) {
  environment.recorder.reset();
  return info.Env().Undefined();
}

// glibc keeps what a thread has freed for that thread. The replays run on another one, so this thread's part, which the
// recording has filled, would be held beside theirs.
void ReturnFreedMemory(int64_t peak_bytes) {
#ifdef __GLIBC__
  constexpr int64_t kWorthIt = 16 << 20;
  if (peak_bytes > kWorthIt) malloc_trim(0);
#else
  (void)peak_bytes;
#endif
}

// endRecording(outputs): [the record's number, …handles of this first run's results]. The results are detached and
// outside of every scope, as a replay's are; the tensors they came from are released unless they were there before.
Napi::Value EndRecording(const Napi::CallbackInfo& info, Environment& environment) {
  auto recorder = std::move(environment.recorder);
  if (!recorder) throw Misuse("ERR_CAPTURE", "Expected a recording to be under way");
  auto outputs = HandlesArgument(info, 0);
  auto record = recorder->Finish(outputs);
  uint32_t number = environment.next_record++;
  auto values = Napi::Float64Array::New(info.Env(), outputs.size() + 1);
  values[0] = number;
  at::NoGradGuard no_grad;
  for (size_t i = 0; i < outputs.size(); i++) {
    values[i + 1] = environment.handles.Add(environment.handles.Get(outputs[i]).detach());
    environment.handles.Keep(values[i + 1]);
  }
  for (Handle output : outputs) {
    if (recorder->Made(output)) environment.handles.Release(output);
  }
  ReturnFreedMemory(record->peak_bytes);
  environment.records.emplace(number, std::move(record));
  return values;
}

// recordFits(record, queued): 1 if it can be replayed now, 0 if not, −1 if that can't be told before the steps that the
// caller has queued (the last of which is of record `queued`; 0 for none) have run.
Napi::Value RecordFits(const Napi::CallbackInfo& info, Environment& environment) {
  const Record& record = *Numbered(info, 0, environment.records, "record");
  int64_t queued = IntegerArgument(info, 1, "queued");
  int verdict = record.Fits(environment.handles) ? 1 : 0;
  if (verdict == 1 && record.ReadsGradients()) {
    if (queued != 0) {
      bool follows_itself = queued == IntegerArgument(info, 0, "record") && record.KeepsGradients();
      verdict = follows_itself ? 1 : -1;
    } else {
      environment.flights->SettleSteps();
      verdict = record.GradientsFit() ? 1 : 0;
    }
  }
  return Napi::Number::New(info.Env(), verdict);
}

Napi::Value ReleaseRecord(const Napi::CallbackInfo& info, Environment& environment) {
  return Napi::Boolean::New(info.Env(),
                            environment.records.erase(static_cast<uint32_t>(IntegerArgument(info, 0, "record"))) > 0);
}

// describeRecord(record): for inspect().
Napi::Value DescribeRecord(const Napi::CallbackInfo& info, Environment& environment) {
  Napi::Env env = info.Env();
  const Record& record = *Numbered(info, 0, environment.records, "record");
  auto instructions = Napi::Array::New(env, record.instructions.size());
  for (size_t i = 0; i < record.instructions.size(); i++) {
    const Instruction& instruction = *record.instructions[i];
    Napi::Object object = Napi::Object::New(env);
    object["name"] = Napi::String::New(env, instruction.Name());
    object["settings"] = Napi::String::New(env, instruction.Settings());
    auto uses = Napi::Array::New(env, instruction.uses.size());
    auto ends = Napi::Array::New(env);
    for (size_t k = 0; k < instruction.uses.size(); k++) {
      const Use& use = instruction.uses[k];
      uses[k] = use.place == kNowhere ? env.Null() : Napi::Value(Napi::Number::New(env, use.place));
      if (use.last && use.place >= 0) ends[ends.Length()] = Napi::Number::New(env, use.place);
    }
    object["uses"] = uses;
    object["ends"] = ends;
    auto results = Napi::Array::New(env, instruction.results.size());
    for (size_t k = 0; k < instruction.results.size(); k++) {
      Napi::Object result = Napi::Object::New(env);
      Place place = instruction.results[k];
      result["place"] = place == kNowhere ? env.Null() : Napi::Value(Napi::Number::New(env, place));
      result["kind"] = Napi::String::New(env, instruction.result_kinds[k]);
      results[k] = result;
    }
    object["results"] = results;
    object["liveBytes"] = Napi::Number::New(env, static_cast<double>(instruction.live_bytes));
    object["peakBytes"] = Napi::Number::New(env, static_cast<double>(instruction.peak_bytes));
    instructions[i] = object;
  }
  auto outputs = Napi::Array::New(env, record.outputs.size());
  for (size_t i = 0; i < record.outputs.size(); i++) outputs[i] = Napi::Number::New(env, record.outputs[i].place);
  Napi::Object object = Napi::Object::New(env);
  object["instructions"] = instructions;
  object["inputs"] = Napi::Number::New(env, static_cast<double>(record.inputs));
  object["outside"] = Napi::Number::New(env, static_cast<double>(record.outside.size()));
  object["outputs"] = outputs;
  object["peakBytes"] = Napi::Number::New(env, static_cast<double>(record.peak_bytes));
  object["graph"] = Napi::String::New(env, record.GraphStatus());
  return object;
}

std::array<std::atomic<const Plugin*>, c10::COMPILE_TIME_MAX_DEVICE_TYPES> plugins{};

void* OpenForGood(const std::string& path) {
  void* library = dlopen(path.c_str(), RTLD_LAZY | RTLD_LOCAL | RTLD_NODELETE);
  if (library == nullptr) throw Misuse("ERR_LIBTORCH", std::string("Could not open the library: ") + dlerror());
  return library;
}

// openOperators(path): a library that registers kernels or operators with LibTorch while it is opened, and no more.
Napi::Value OpenOperators(const Napi::CallbackInfo& info, Environment&) {
  OpenForGood(StringArgument(info, 0, "path"));
  return info.Env().Undefined();
}

// openPlugin(path): an accelerator's plugin, for all environments of the process.
Napi::Value OpenPlugin(const Napi::CallbackInfo& info, Environment&) {
  std::string path = StringArgument(info, 0, "path");
  void* library = OpenForGood(path);
  auto get = reinterpret_cast<const Plugin* (*)()>(dlsym(library, "isotorch_plugin"));
  const Plugin* plugin = get ? get() : nullptr;
  if (plugin == nullptr || plugin->version != kPluginVersion)
    throw Misuse("ERR_LIBTORCH", "The plugin " + path + " belongs to another version of isotorch: run `npm run setup`");
  plugins[static_cast<size_t>(plugin->device)] = plugin;
  return info.Env().Undefined();
}

}  // namespace

const Plugin* PluginFor(c10::DeviceType device) { return plugins[static_cast<size_t>(device)]; }

void ExportCapture(Napi::Env env, Napi::Object exports) {
  Export<Signature>(env, exports, "signature");
  Export<BeginRecording>(env, exports, "beginRecording");
  Export<PauseRecording>(env, exports, "pauseRecording");
  Export<AbortRecording>(env, exports, "abortRecording");
  Export<EndRecording>(env, exports, "endRecording");
  Export<RecordFits>(env, exports, "recordFits");
  Export<ReleaseRecord>(env, exports, "releaseRecord");
  Export<OpenOperators>(env, exports, "openOperators");
  Export<OpenPlugin>(env, exports, "openPlugin");
  Export<DescribeRecord>(env, exports, "describeRecord");
}

}  // namespace isotorch
