// isotorch.node: the one file that Node loads. It links neither LibTorch nor our bridge, so the same binary serves
// wherever LibTorch lives: JavaScript finds the libraries, `open` maps them in order by full path, and the bridge
// (libisotorch.so), which asks for them by name only, then resolves against what is already mapped.
#include <dlfcn.h>
#include <napi.h>

#include <string>

namespace {

using Init = napi_value (*)(napi_env, napi_value);

void* Map(Napi::Env env, const std::string& path) {
  void* library = dlopen(path.c_str(), RTLD_LAZY | RTLD_LOCAL);
  if (library == nullptr) {
    const char* why = dlerror();
    throw Napi::Error::New(env, "Could not open " + path + ": " + (why ? why : "unknown reason"));
  }
  return library;
}

// open(libraries: string[], bridge: string): the bridge's exports, for this environment (main thread or worker).
Napi::Value Open(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  if (info.Length() != 2 || !info[0].IsArray() || !info[1].IsString()) {
    throw Napi::TypeError::New(env, "Expected (libraries: string[], bridge: string)");
  }
  auto libraries = info[0].As<Napi::Array>();
  for (uint32_t i = 0; i < libraries.Length(); i++) {
    Napi::Value path = libraries[i];
    if (!path.IsString()) throw Napi::TypeError::New(env, "Expected every library to be a path");
    Map(env, path.As<Napi::String>());
  }
  void* bridge = Map(env, info[1].As<Napi::String>());
  auto init = reinterpret_cast<Init>(dlsym(bridge, "isotorch_init"));
  if (init == nullptr) throw Napi::Error::New(env, "The bridge has no isotorch_init: it belongs to another version");
  Napi::Object exports = Napi::Object::New(env);
  init(env, exports);
  return exports;
}

Napi::Object InitLoader(Napi::Env env, Napi::Object exports) {
  exports.Set("open", Napi::Function::New<Open>(env, "open"));
  return exports;
}

}  // namespace

NODE_API_MODULE(isotorch, InitLoader)
