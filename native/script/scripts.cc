// TorchScript modules at the boundary: load, look inside, call. Each module of the tree has a number of its own; the
// tree is put together in lib/script/.
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/serialization/import.h>

#include <sstream>

#include "../bridge.h"
#include "../capture/recorder.h"
#include "../flights.h"
#include "../stoppable.h"
#include "turns.h"
#include "values.h"

namespace isotorch {

// What environments hold of a script: the module, which shares its tensors with the modules around it.
struct Script {
  torch::jit::Module module;
};

namespace {

const std::shared_ptr<Script>& ScriptArgument(const Napi::CallbackInfo& info, Environment& environment) {
  auto found = environment.scripts.find(static_cast<uint32_t>(IntegerArgument(info, 0, "script")));
  if (found == environment.scripts.end()) throw Misuse("ERR_ARGUMENT", "Expected a script that was not disposed of");
  return found->second;
}

uint32_t Keep(Environment& environment, torch::jit::Module module) {
  uint32_t number = environment.next_script++;
  environment.scripts.emplace(number, std::make_shared<Script>(Script{std::move(module)}));
  return number;
}

// The script's own words, with its own stack, without LibTorch's introduction.
[[noreturn]] void ThrowScriptError(const std::exception& error) {
  std::string text = error.what();
  if (auto* known = dynamic_cast<const c10::Error*>(&error)) text = known->what_without_backtrace();
  const std::string introduction = "The following operation failed in the TorchScript interpreter.\n";
  if (text.rfind(introduction, 0) == 0) text = text.substr(introduction.size());
  while (!text.empty() && text.back() == '\n') text.pop_back();
  throw Failed{{"ERR_SCRIPT", text, ""}};
}

// The tensors that a script can reach, by what it holds and is given. It may write to all of them.
std::vector<at::Tensor> Reached(const torch::jit::Module& module, const torch::jit::Stack& given) {
  c10::IValue::HashAliasedIValues values;
  c10::IValue(module._ivalue()).getSubValues(values);
  for (const c10::IValue& value : given) value.getSubValues(values);
  std::vector<at::Tensor> tensors;
  for (const c10::IValue& value : values)
    if (value.isTensor()) tensors.push_back(value.toTensor());
  return tensors;
}

// loadScript(path, device | null): resolves with its number. Read on the compute thread: files are large.
Napi::Value LoadScript(const Napi::CallbackInfo& info, Environment& environment) {
  std::string path = StringArgument(info, 0, "path");
  std::optional<c10::Device> device;
  if (!info[1].IsNull()) device = c10::Device(StringArgument(info, 1, "device"));
  auto module = std::make_shared<std::optional<torch::jit::Module>>();
  auto job = std::make_unique<Job>(info.Env());
  job->work = [path, device, module] {
    try {
      *module = torch::jit::load(path, device);
      AskInLoops(**module);
    } catch (const std::exception& error) {
      std::string text = error.what();
      if (auto* known = dynamic_cast<const c10::Error*>(&error)) text = known->what_without_backtrace();
      throw Failed{{"ERR_FORMAT", path + ": LibTorch could not load it as TorchScript: " + text, ""}};
    }
  };
  job->result = [module](Napi::Env env) -> Napi::Value {
    return Napi::Number::New(env, Keep(Environment::Of(env), std::move(**module)));
  };
  return environment.mailbox->Send(info.Env(), std::move(job));
}

// describeScript(script): { name, training, parameters, buffers, children, attributes, methods }. Tensors come as
// handles, the modules inside as scripts; both are the caller's.
Napi::Value DescribeScript(const Napi::CallbackInfo& info, Environment& environment) {
  Napi::Env env = info.Env();
  const torch::jit::Module module = ScriptArgument(info, environment)->module;
  environment.flights->SettleSteps();
  auto type = module.type();
  auto parameters = Napi::Array::New(env), buffers = Napi::Array::New(env), children = Napi::Array::New(env);
  auto attributes = Napi::Array::New(env), methods = Napi::Array::New(env);
  // `same` tells which are one thing under several names, as tied weights are.
  auto add = [&](Napi::Array list, const std::string& name, Napi::Value value, const void* same = nullptr) {
    auto entry = Napi::Array::New(env, same ? 3 : 2);
    entry[0u] = Napi::String::New(env, name);
    entry[1u] = value;
    if (same) entry[2u] = Napi::Number::New(env, static_cast<double>(reinterpret_cast<uintptr_t>(same)));
    list[list.Length()] = entry;
  };
  for (size_t i = 0; i < type->numAttributes(); i++) {
    const std::string& name = type->getAttributeName(i);
    const c10::TypePtr& kind = type->getAttribute(i);
    const c10::IValue& value = module._ivalue()->getSlot(i);
    bool tensor = value.isTensor() && value.toTensor().defined();
    if (kind->is_module()) {
      add(children, name, Napi::Number::New(env, Keep(environment, value.toModule())), value.toObject().get());
    } else if (type->is_parameter(i)) {
      if (tensor)
        add(parameters, name, ToJs(env, environment, value.toTensor()), value.toTensor().unsafeGetTensorImpl());
    } else if (tensor && (type->is_buffer(i) || kind->isSubtypeOf(*c10::TensorType::get()))) {
      add(buffers, name, ToJs(env, environment, value.toTensor()), value.toTensor().unsafeGetTensorImpl());
    } else {
      add(attributes, name, Napi::String::New(env, kind->annotation_str()));
    }
  }
  for (const torch::jit::Method& method : module.get_methods()) {
    std::ostringstream schema;
    schema << method.function().getSchema();
    add(methods, method.name(), Napi::String::New(env, schema.str()));
  }
  Napi::Object object = Napi::Object::New(env);
  object["name"] = Napi::String::New(env, type->name() ? type->name()->name() : "");
  object["training"] = Napi::Boolean::New(env, module.hasattr("training") && module.is_training());
  object["parameters"] = parameters;
  object["buffers"] = buffers;
  object["children"] = children;
  object["attributes"] = attributes;
  object["methods"] = methods;
  return object;
}

// callScript(script, method, args): its result, on the wire of values.h.
Napi::Value CallScript(const Napi::CallbackInfo& info, Environment& environment) {
  Napi::Env env = info.Env();
  auto script = ScriptArgument(info, environment);
  std::string name = StringArgument(info, 1, "method");
  auto method = script->module.find_method(name);
  if (!method) throw Misuse("ERR_ARGUMENT", "The script has no method '" + name + "'");
  const c10::FunctionSchema& schema = method->function().getSchema();
  auto args = info[2].As<Napi::Array>();
  const auto& wanted = schema.arguments();  // the first is the module
  if (args.Length() > wanted.size() - 1)
    throw Misuse("ERR_ARGUMENT", name + ": expected at most " + std::to_string(wanted.size() - 1) +
                                     " arguments but received " + std::to_string(args.Length()));
  torch::jit::Stack stack;
  std::vector<Handle> given, made;
  for (size_t i = 1; i < wanted.size(); i++) {
    Napi::Value value = i - 1 < args.Length() ? args.Get(static_cast<uint32_t>(i - 1)) : env.Undefined();
    if (value.IsUndefined() && wanted[i].default_value())
      stack.push_back(*wanted[i].default_value());
    else
      stack.push_back(ScriptValue(value, wanted[i].type(), name + ": " + wanted[i].name(), environment, given));
  }
  environment.flights->SettleSteps();  // which tensors the script reads and writes is not known
  if (environment.flights->Any())
    for (const at::Tensor& tensor : Reached(script->module, stack)) environment.flights->Settle(tensor, true);
  auto run = [method = *method](torch::jit::Stack arguments) mutable -> c10::IValue {
    try {
      return method(std::move(arguments));
    } catch (const c10::OutOfMemoryError&) {
      throw;
    } catch (const std::exception& error) {
      ThrowScriptError(error);
    }
  };
  Recorder* recorder = environment.Recording();
  c10::IValue result;
  {
    Stoppable stoppable([env] { return IsEnding(env); });
    result = run(stack);
  }
  if (recorder && HoldsValues(result)) recorder->RefuseRead("What the script gives beside tensors (numbers, text)");
  Napi::Value value = FromScript(env, result, environment, made);
  AccountMemory(env, environment);
  if (recorder) {
    // The record keeps the form of the arguments, not the tensors of this one call.
    for (c10::IValue& argument : stack) argument = WithTensors(argument, [] { return at::empty({0}); });
    auto again = [stack, run](std::vector<at::Tensor> tensors) mutable {
      size_t next = 0;
      torch::jit::Stack arguments;
      for (const c10::IValue& argument : stack)
        arguments.push_back(WithTensors(argument, [&] { return tensors[next++]; }));
      std::vector<at::Tensor> results;
      ForEachTensor(run(std::move(arguments)), [&](const at::Tensor& tensor) { results.push_back(tensor); });
      return results;
    };
    auto state = TensorsArgument(info, 3, environment);
    auto handles = info[3].As<Napi::Float64Array>();
    recorder->Foreign("script " + name, again, given, {handles.Data(), handles.Data() + handles.ElementLength()}, made,
                      Reached(script->module, {}));
  }
  return value;
}

// scriptAttribute(script, name): its value.
Napi::Value ScriptAttribute(const Napi::CallbackInfo& info, Environment& environment) {
  const torch::jit::Module& module = ScriptArgument(info, environment)->module;
  std::string name = StringArgument(info, 1, "name");
  environment.flights->SettleSteps();
  if (!module.hasattr(name)) throw Misuse("ERR_ARGUMENT", "The script has no attribute '" + name + "'");
  std::vector<Handle> made;
  return FromScript(info.Env(), module.attr(name), environment, made);
}

// setScriptAttribute(script, name, value)
Napi::Value SetScriptAttribute(const Napi::CallbackInfo& info, Environment& environment) {
  torch::jit::Module module = ScriptArgument(info, environment)->module;
  std::string name = StringArgument(info, 1, "name");
  auto slot = module.type()->findAttributeSlot(name);
  if (!slot) throw Misuse("ERR_ARGUMENT", "The script has no attribute '" + name + "' that can be set");
  std::vector<Handle> given;
  c10::IValue value = ScriptValue(info[2], module.type()->getAttribute(*slot), name, environment, given);
  environment.flights->SettleSteps();
  module._ivalue()->setSlot(*slot, std::move(value));
  return info.Env().Undefined();
}

// releaseScript(script): whether it was there.
Napi::Value ReleaseScript(const Napi::CallbackInfo& info, Environment& environment) {
  auto number = static_cast<uint32_t>(IntegerArgument(info, 0, "script"));
  return Napi::Boolean::New(info.Env(), environment.scripts.erase(number) > 0);
}

}  // namespace

void ExportScripts(Napi::Env env, Napi::Object exports) {
  Export<LoadScript>(env, exports, "loadScript");
  Export<DescribeScript>(env, exports, "describeScript");
  Export<CallScript>(env, exports, "callScript");
  Export<ScriptAttribute>(env, exports, "scriptAttribute");
  Export<SetScriptAttribute>(env, exports, "setScriptAttribute");
  Export<ReleaseScript>(env, exports, "releaseScript");
}

}  // namespace isotorch
