// LibTorch value → JavaScript value.
#include <cmath>

#include "names.h"
#include "values.h"

namespace isotorch {
namespace {

constexpr double kSafe = 9007199254740991.0;  // 2^53 − 1

napi_value FromInt(napi_env env, int64_t value) {
  napi_value result;
  if (std::abs(static_cast<double>(value)) <= kSafe) {
    Check(env, napi_create_double(env, static_cast<double>(value), &result));
  } else {
    Check(env, napi_create_bigint_int64(env, value, &result));
  }
  return result;
}

napi_value FromDouble(napi_env env, double value) {
  napi_value result;
  Check(env, napi_create_double(env, value, &result));
  return result;
}

napi_value FromText(napi_env env, const std::string& text) {
  napi_value result;
  Check(env, napi_create_string_utf8(env, text.data(), text.size(), &result));
  return result;
}

}  // namespace

napi_value ToJs(napi_env env, const c10::IValue& value, const Plan& plan, Environment& environment) {
  napi_value result;
  if (value.isNone()) {
    Check(env, napi_get_null(env, &result));
  } else if (value.isTensor()) {
    const at::Tensor& tensor = value.toTensor();
    if (!tensor.defined()) {
      Check(env, napi_get_null(env, &result));
    } else {
      return FromDouble(env, environment.handles.Add(tensor));
    }
  } else if (value.isInt()) {
    if (plan.kind == Kind::kDtype) return FromText(env, DtypeName(static_cast<at::ScalarType>(value.toInt())));
    if (plan.kind == Kind::kLayout || plan.kind == Kind::kMemoryFormat) {
      auto find = [&](const auto& table) {
        for (const auto& [text, meaning] : table) {
          if (static_cast<int64_t>(meaning) == value.toInt()) return FromText(env, text);
        }
        return FromInt(env, value.toInt());
      };
      return plan.kind == Kind::kLayout ? find(kLayouts) : find(kMemoryFormats);
    }
    return FromInt(env, value.toInt());
  } else if (value.isUnsigned()) {  // beyond int64
    Check(env, napi_create_bigint_uint64(env, value.toUInt(), &result));
  } else if (value.isDouble()) {
    return FromDouble(env, value.toDouble());
  } else if (value.isBool()) {
    Check(env, napi_get_boolean(env, value.toBool(), &result));
  } else if (value.isString()) {
    return FromText(env, value.toStringRef());
  } else if (value.isDevice()) {
    return FromText(env, value.toDevice().str());
  } else if (value.isComplexDouble()) {
    auto complex = value.toComplexDouble();
    Check(env, napi_create_object(env, &result));
    Check(env, napi_set_named_property(env, result, "re", FromDouble(env, complex.real())));
    Check(env, napi_set_named_property(env, result, "im", FromDouble(env, complex.imag())));
  } else if (value.isList()) {
    auto list = value.toList();
    Check(env, napi_create_array_with_length(env, list.size(), &result));
    for (size_t i = 0; i < list.size(); i++)
      Check(env, napi_set_element(env, result, i, ToJs(env, list.get(i), plan, environment)));
  } else if (value.isTuple()) {
    const auto& elements = value.toTupleRef().elements();
    Check(env, napi_create_array_with_length(env, elements.size(), &result));
    for (size_t i = 0; i < elements.size(); i++)
      Check(env, napi_set_element(env, result, i, ToJs(env, elements[i], plan, environment)));
  } else {
    throw Misuse("ERR_LIBTORCH",
                 "The result " + plan.name + " is a " + value.tagKind() + ", which has no JavaScript counterpart");
  }
  return result;
}

}  // namespace isotorch
