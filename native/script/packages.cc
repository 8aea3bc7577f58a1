// Packages of AOTInductor (.pt2): a model that Python has exported and compiled, run without Python.
#include <torch/csrc/inductor/aoti_package/model_package_loader.h>

#include "../bridge.h"
#include "../capture/recorder.h"
#include "../flights.h"
#include "../plain.h"

namespace isotorch {

struct Package {
  Package(const std::string& path, const std::string& model, c10::DeviceIndex index)
      : loader(path, model, /*run_single_threaded=*/false, /*num_runners=*/1, index) {}
  torch::inductor::AOTIModelPackageLoader loader;
};

namespace {

const std::shared_ptr<Package>& PackageArgument(const Napi::CallbackInfo& info, Environment& environment) {
  auto found = environment.packages.find(static_cast<uint32_t>(IntegerArgument(info, 0, "package")));
  if (found == environment.packages.end()) throw Misuse("ERR_ARGUMENT", "Expected a package that was not disposed of");
  return found->second;
}

// loadPackage(path, model's name, device's index): resolves with its number.
Napi::Value LoadPackage(const Napi::CallbackInfo& info, Environment& environment) {
  std::string path = StringArgument(info, 0, "path"), model = StringArgument(info, 1, "model");
  auto index = static_cast<c10::DeviceIndex>(IntegerArgument(info, 2, "index"));
  auto package = std::make_shared<std::shared_ptr<Package>>();
  auto job = std::make_unique<Job>(info.Env());
  job->work = [path, model, index, package] {
    try {
      *package = std::make_shared<Package>(path, model, index);
    } catch (const std::exception& error) {
      std::string text = error.what();
      if (auto* known = dynamic_cast<const c10::Error*>(&error)) text = known->what_without_backtrace();
      throw Failed{{"ERR_FORMAT", path + ": LibTorch could not load it as a package: " + text, ""}};
    }
  };
  job->result = [package](Napi::Env env) -> Napi::Value {
    auto& environment = Environment::Of(env);
    uint32_t number = environment.next_script++;
    environment.packages.emplace(number, std::move(*package));
    return Napi::Number::New(env, number);
  };
  return environment.mailbox->Send(info.Env(), std::move(job));
}

// describePackage(package): { metadata: { key: text }, constants: [names], spec: [inputs, outputs] }
Napi::Value DescribePackage(const Napi::CallbackInfo& info, Environment& environment) {
  Napi::Env env = info.Env();
  auto package = PackageArgument(info, environment);
  Napi::Object metadata = Napi::Object::New(env);
  for (const auto& [key, value] : package->loader.get_metadata()) metadata[key] = Napi::String::New(env, value);
  auto list = [&](std::vector<std::string> names) {
    auto array = Napi::Array::New(env, names.size());
    for (size_t i = 0; i < names.size(); i++) array[i] = Napi::String::New(env, names[i]);
    return array;
  };
  Napi::Object object = Napi::Object::New(env);
  object["metadata"] = metadata;
  object["constants"] = list(package->loader.get_constant_fqns());
  object["spec"] = list(package->loader.get_call_spec());
  return object;
}

// runPackage(package, inputs): handles of the results.
Napi::Value RunPackage(const Napi::CallbackInfo& info, Environment& environment) {
  auto package = PackageArgument(info, environment);
  auto inputs = TensorsArgument(info, 1, environment);
  environment.flights->SettleSteps();
  for (const at::Tensor& input : inputs) environment.flights->Settle(input, true);  // it may write to them
  auto run = [package](std::vector<at::Tensor> tensors) {
    at::NoGradGuard no_grad;                                 // compiled code has no gradients
    for (at::Tensor& tensor : tensors) tensor = Plain(tensor);  // and follows pointers
    try {
      return package->loader.run(tensors);
    } catch (const std::exception& error) {
      std::string text = error.what();
      if (auto* known = dynamic_cast<const c10::Error*>(&error)) text = known->what_without_backtrace();
      throw Failed{{"ERR_SCRIPT", text, ""}};
    }
  };
  auto outputs = run(inputs);
  auto handles = Napi::Float64Array::New(info.Env(), outputs.size());
  std::vector<Handle> made;
  for (size_t i = 0; i < outputs.size(); i++)
    made.push_back(handles[i] = environment.handles.Add(std::move(outputs[i])));
  AccountMemory(info.Env(), environment);
  if (Recorder* recorder = environment.Recording()) {
    auto given = info[1].As<Napi::Float64Array>();
    recorder->Foreign("package", run, {given.Data(), given.Data() + given.ElementLength()}, {}, made);
  }
  return handles;
}

// updatePackage(package, names, tensors, whole): other weights; with `whole`, all of them must be there.
Napi::Value UpdatePackage(const Napi::CallbackInfo& info, Environment& environment) {
  auto package = PackageArgument(info, environment);
  auto names = info[1].As<Napi::Array>();
  auto tensors = TensorsArgument(info, 2, environment);
  bool whole = BooleanArgument(info, 3, "whole");
  std::unordered_map<std::string, at::Tensor> constants;
  auto known = package->loader.get_constant_fqns();
  for (uint32_t i = 0; i < names.Length(); i++) {
    std::string name = names.Get(i).As<Napi::String>();
    if (std::find(known.begin(), known.end(), name) == known.end())
      throw Misuse("ERR_STATE_DICT", "The package has no constant '" + name + "'");
    constants.emplace(name, Plain(tensors.at(i)));
  }
  if (whole && constants.size() != known.size())
    throw Misuse("ERR_STATE_DICT", "Expected all " + std::to_string(known.size()) +
                                       " constants of the package but received " + std::to_string(constants.size()));
  environment.flights->SettleSteps();
  package->loader.load_constants(constants, /*use_inactive=*/false, /*check_full_update=*/whole);
  return info.Env().Undefined();
}

// releasePackage(package): whether it was there.
Napi::Value ReleasePackage(const Napi::CallbackInfo& info, Environment& environment) {
  auto number = static_cast<uint32_t>(IntegerArgument(info, 0, "package"));
  return Napi::Boolean::New(info.Env(), environment.packages.erase(number) > 0);
}

}  // namespace

void ExportPackages(Napi::Env env, Napi::Object exports) {
  Export<LoadPackage>(env, exports, "loadPackage");
  Export<DescribePackage>(env, exports, "describePackage");
  Export<RunPackage>(env, exports, "runPackage");
  Export<UpdatePackage>(env, exports, "updatePackage");
  Export<ReleasePackage>(env, exports, "releasePackage");
}

}  // namespace isotorch
