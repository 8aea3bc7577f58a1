// What JavaScript needs to know of the operators: their names, and on demand the overloads of one.
#include "operators.h"

namespace isotorch {
namespace {

const char* KindName(Kind kind) {
  switch (kind) {
    case Kind::kTensor: return "Tensor";
    case Kind::kInt: return "int";
    case Kind::kFloat: return "float";
    case Kind::kBool: return "bool";
    case Kind::kScalar: return "Scalar";
    case Kind::kString: return "str";
    case Kind::kDevice: return "Device";
    case Kind::kDtype: return "ScalarType";
    case Kind::kLayout: return "Layout";
    case Kind::kMemoryFormat: return "MemoryFormat";
    case Kind::kGenerator: return "Generator";
    case Kind::kComplex: return "complex";
    case Kind::kUnsupported: return "unsupported";
  }
  return "unsupported";
}

Napi::Object Describe(Napi::Env env, const Plan& plan) {
  Napi::Object object = Napi::Object::New(env);
  object["name"] = Napi::String::New(env, plan.name);
  object["kind"] = Napi::String::New(env, KindName(plan.kind));
  object["type"] = Napi::String::New(env, plan.type);
  object["list"] = Napi::Boolean::New(env, plan.list);
  object["optional"] = Napi::Boolean::New(env, plan.optional);
  object["optionalElements"] = Napi::Boolean::New(env, plan.optional_elements);
  object["keywordOnly"] = Napi::Boolean::New(env, plan.keyword_only);
  object["repeat"] = Napi::Number::New(env, plan.repeat);
  object["hasDefault"] = Napi::Boolean::New(env, plan.default_value.has_value());
  return object;
}

Napi::Value OperatorNames(const Napi::CallbackInfo& info, Environment&) {
  auto names = Operators::All().BaseNames();
  auto result = Napi::Array::New(info.Env(), names.size());
  for (size_t i = 0; i < names.size(); i++) result[i] = Napi::String::New(info.Env(), names[i]);
  return result;
}

Napi::Value Overloads(const Napi::CallbackInfo& info, Environment&) {
  Napi::Env env = info.Env();
  std::string base = StringArgument(info, 0, "name");
  auto result = Napi::Array::New(env);
  for (const auto& overload : Operators::All().OverloadsOf(base)) {
    int32_t number = Operators::All().Number({base, overload});
    if (number < 0) continue;
    const Operator& op = Operators::All().At(number);
    Napi::Object object = Napi::Object::New(env);
    object["number"] = Napi::Number::New(env, number);
    object["overload"] = Napi::String::New(env, overload);
    object["schema"] = Napi::String::New(env, op.schema);
    object["supported"] = Napi::Boolean::New(env, op.supported);
    object["resultIsArgument"] = Napi::Number::New(env, op.result_is_argument);
    auto arguments = Napi::Array::New(env, op.arguments.size());
    for (size_t i = 0; i < op.arguments.size(); i++) arguments[i] = Describe(env, op.arguments[i]);
    object["arguments"] = arguments;
    auto results = Napi::Array::New(env, op.results.size());
    for (size_t i = 0; i < op.results.size(); i++) results[i] = Describe(env, op.results[i]);
    object["results"] = results;
    result[result.Length()] = object;
  }
  return result;
}

}  // namespace

void ExportSchemas(Napi::Env env, Napi::Object exports) {
  Export<OperatorNames>(env, exports, "operatorNames");
  Export<Overloads>(env, exports, "overloads");
}

}  // namespace isotorch
