#include "values.h"

#include <ATen/core/Dict.h>
#include <ATen/core/List.h>

#include "../values.h"

namespace isotorch {
namespace {

constexpr int kDeepest = 200;  // of nesting; a cyclic array would have no end
constexpr double kLargestSafe = 9007199254740991;

[[noreturn]] void Refuse(const std::string& where, const std::string& type, Napi::Value value) {
  static const char* const names[] = {"undefined", "null",   "boolean",  "number",   "string",
                                      "symbol",    "object", "function", "external", "bigint"};
  std::string came = names[value.Type()];
  if (value.IsArray()) came = "array";
  if (value.IsTypedArray()) came = "Tensor";
  throw Misuse("ERR_ARGUMENT", "Expected " + type + " for " + where + " but received " + came);
}

bool IsNothing(Napi::Value value) { return value.IsNull() || value.IsUndefined(); }

class Reader {
 public:
  Reader(const Environment& environment, std::vector<Handle>& tensors) : environment_(environment), tensors_(tensors) {}

  c10::IValue Read(Napi::Value value, const c10::TypePtr& type, const std::string& where, int depth) {
    if (depth > kDeepest) throw Misuse("ERR_ARGUMENT", "Expected values of at most 200 levels for " + where);
    switch (type->kind()) {
      case c10::TypeKind::OptionalType:
        if (IsNothing(value)) return {};
        return Read(value, type->expectRef<c10::OptionalType>().getElementType(), where, depth + 1);
      case c10::TypeKind::NoneType:
        if (IsNothing(value)) return {};
        break;
      case c10::TypeKind::TensorType:
        if (value.IsTypedArray()) return Tensor(value);
        break;
      case c10::TypeKind::IntType:
        if (value.IsBigInt()) return BigInt(value, where);
        if (value.IsNumber() && IsInteger(value)) return static_cast<int64_t>(Number(value));
        break;
      case c10::TypeKind::FloatType:
        if (value.IsNumber()) return Number(value);
        break;
      case c10::TypeKind::NumberType:
        if (value.IsBigInt()) return BigInt(value, where);
        if (value.IsNumber() && IsInteger(value)) return static_cast<int64_t>(Number(value));
        if (value.IsNumber()) return Number(value);
        break;
      case c10::TypeKind::BoolType:
        if (value.IsBoolean()) return value.As<Napi::Boolean>().Value();
        break;
      case c10::TypeKind::StringType:
        if (value.IsString()) return value.As<Napi::String>().Utf8Value();
        break;
      case c10::TypeKind::DeviceObjType:
        if (value.IsString()) return Device(value.As<Napi::String>().Utf8Value(), where);
        break;
      case c10::TypeKind::ListType:
        if (value.IsArray()) return List(value.As<Napi::Array>(), type, where, depth);
        break;
      case c10::TypeKind::DictType:
        if (value.IsArray()) return Dict(value.As<Napi::Array>(), type, where, depth);
        break;
      case c10::TypeKind::TupleType:
        if (value.IsArray()) return Tuple(value.As<Napi::Array>(), type, where, depth);
        break;
      case c10::TypeKind::UnionType:
        for (const c10::TypePtr& one : type->containedTypes()) {
          size_t before = tensors_.size();
          try {
            return Read(value, one, where, depth + 1);
          } catch (const Misuse&) {
            tensors_.resize(before);
          }
        }
        break;
      case c10::TypeKind::AnyType: return Any(value, where, depth);
      default:
        throw Misuse("ERR_ARGUMENT",
                     "No JavaScript value stands for a " + type->annotation_str() + ", which " + where + " must be");
    }
    Refuse(where, type->annotation_str(), value);
  }

 private:
  static double Number(Napi::Value value) { return value.As<Napi::Number>().DoubleValue(); }
  static bool IsInteger(Napi::Value value) {
    double number = Number(value);
    return std::trunc(number) == number && std::abs(number) <= kLargestSafe;
  }

  static c10::IValue BigInt(Napi::Value value, const std::string& where) {
    bool lossless = false;
    int64_t number = value.As<Napi::BigInt>().Int64Value(&lossless);
    if (!lossless) throw Misuse("ERR_ARGUMENT", "Expected an integer of 64 bits for " + where);
    return number;
  }

  static c10::IValue Device(const std::string& name, const std::string& where) {
    try {
      return c10::Device(name);
    } catch (const c10::Error&) {
      throw Misuse("ERR_DEVICE", "Expected a device for " + where + " but received '" + name + "'");
    }
  }

  c10::IValue Tensor(Napi::Value value) {
    auto array = value.As<Napi::TypedArray>();
    if (array.TypedArrayType() != napi_float64_array || array.ElementLength() != 1)
      throw Misuse("ERR_ARGUMENT", "Expected a tensor as a Float64Array of one handle");
    Handle handle = value.As<Napi::Float64Array>()[0];
    at::Tensor tensor = environment_.handles.Get(handle);
    tensors_.push_back(handle);
    return tensor;
  }

  c10::IValue List(Napi::Array array, const c10::TypePtr& type, const std::string& where, int depth) {
    const c10::TypePtr& element = type->expectRef<c10::ListType>().getElementType();
    c10::impl::GenericList list(element);
    list.reserve(array.Length());
    for (uint32_t i = 0; i < array.Length(); i++)
      list.push_back(Read(array.Get(i), element, where + "[" + std::to_string(i) + "]", depth + 1));
    return list;
  }

  c10::IValue Dict(Napi::Array array, const c10::TypePtr& type, const std::string& where, int depth) {
    const auto& dict_type = type->expectRef<c10::DictType>();
    c10::impl::GenericDict dict(dict_type.getKeyType(), dict_type.getValueType());
    for (uint32_t i = 0; i < array.Length(); i++) {
      Napi::Value entry = array.Get(i);
      if (!entry.IsArray() || entry.As<Napi::Array>().Length() != 2) Refuse(where, type->annotation_str(), array);
      c10::IValue key = Read(entry.As<Napi::Array>().Get(0u), dict_type.getKeyType(), "a key of " + where, depth + 1);
      std::string place = where + "[" + (key.isString() ? key.toStringRef() : std::to_string(i)) + "]";
      dict.insert(key, Read(entry.As<Napi::Array>().Get(1u), dict_type.getValueType(), place, depth + 1));
    }
    return dict;
  }

  c10::IValue Tuple(Napi::Array array, const c10::TypePtr& type, const std::string& where, int depth) {
    auto elements = type->expectRef<c10::TupleType>().elements();
    if (elements.size() != array.Length()) Refuse(where, type->annotation_str(), array);
    std::vector<c10::IValue> values;
    for (uint32_t i = 0; i < array.Length(); i++)
      values.push_back(Read(array.Get(i), elements[i], where + "[" + std::to_string(i) + "]", depth + 1));
    return c10::ivalue::Tuple::create(std::move(values));
  }

  c10::IValue Any(Napi::Value value, const std::string& where, int depth) {
    if (IsNothing(value)) return {};
    if (value.IsTypedArray()) return Tensor(value);
    if (value.IsBoolean()) return value.As<Napi::Boolean>().Value();
    if (value.IsString()) return value.As<Napi::String>().Utf8Value();
    if (value.IsNumber() || value.IsBigInt()) return Read(value, c10::NumberType::get(), where, depth + 1);
    if (value.IsArray()) return List(value.As<Napi::Array>(), c10::ListType::create(c10::AnyType::get()), where, depth);
    Refuse(where, "a tensor, number, string, boolean, null or an array of these", value);
  }

  const Environment& environment_;
  std::vector<Handle>& tensors_;
};

}  // namespace

c10::IValue ScriptValue(Napi::Value value, const c10::TypePtr& type, const std::string& where,
                        const Environment& environment, std::vector<Handle>& tensors) {
  return Reader(environment, tensors).Read(value, type, where, 0);
}

Napi::Value FromScript(Napi::Env env, const c10::IValue& value, Environment& environment,
                       std::vector<Handle>& tensors) {
  auto array = [&](const auto& values) {
    auto made = Napi::Array::New(env, values.size());
    for (size_t i = 0; i < values.size(); i++) made[i] = FromScript(env, c10::IValue(values[i]), environment, tensors);
    return made;
  };
  if (value.isNone()) return env.Null();
  if (value.isTensor()) {
    if (!value.toTensor().defined()) return env.Null();
    auto made = Napi::Float64Array::New(env, 1);
    made[0] = environment.handles.Add(value.toTensor());
    tensors.push_back(made[0]);
    return made;
  }
  if (value.isBool()) return Napi::Boolean::New(env, value.toBool());
  if (value.isInt()) {
    int64_t number = value.toInt();
    if (std::abs(static_cast<double>(number)) > kLargestSafe) return Napi::BigInt::New(env, number);
    return Napi::Number::New(env, static_cast<double>(number));
  }
  if (value.isDouble()) return Napi::Number::New(env, value.toDouble());
  if (value.isString()) return Napi::String::New(env, value.toStringRef());
  if (value.isDevice()) return Napi::String::New(env, value.toDevice().str());
  if (value.isList()) {
    std::vector<c10::IValue> elements;
    for (const c10::IValue& element : value.toListRef()) elements.push_back(element);
    return array(elements);
  }
  if (value.isTuple()) {
    Napi::Object tuple = Napi::Object::New(env);
    tuple["tuple"] = array(value.toTupleRef().elements().vec());
    auto type = value.toTupleRef().type();
    if (type->schema()) {
      auto names = Napi::Array::New(env);
      for (const auto& field : type->schema()->arguments())
        names[names.Length()] = Napi::String::New(env, field.name());
      tuple["names"] = names;
    }
    return tuple;
  }
  if (value.isGenericDict()) {
    auto entries = Napi::Array::New(env);
    for (const auto& entry : value.toGenericDict())
      entries[entries.Length()] = array(std::vector<c10::IValue>{entry.key(), entry.value()});
    Napi::Object dict = Napi::Object::New(env);
    dict["dict"] = entries;
    return dict;
  }
  throw Misuse("ERR_ARGUMENT", "No JavaScript value stands for a " + value.type()->annotation_str() +
                                   ": return tensors, numbers, text, or lists, tuples and dicts of them");
}

c10::IValue WithTensors(const c10::IValue& value, const std::function<at::Tensor()>& next) {
  if (value.isTensor()) return value.toTensor().defined() ? c10::IValue(next()) : value;
  if (value.isList()) {
    auto old = value.toList();
    c10::impl::GenericList list(old.elementType());
    list.reserve(old.size());
    for (const c10::IValue& element : value.toListRef()) list.push_back(WithTensors(element, next));
    return list;
  }
  if (value.isTuple()) {
    std::vector<c10::IValue> elements;
    for (const c10::IValue& element : value.toTupleRef().elements()) elements.push_back(WithTensors(element, next));
    return c10::ivalue::Tuple::create(std::move(elements));
  }
  if (value.isGenericDict()) {
    auto old = value.toGenericDict();
    c10::impl::GenericDict dict(old.keyType(), old.valueType());
    for (const auto& entry : old) dict.insert(entry.key(), WithTensors(entry.value(), next));
    return dict;
  }
  return value;
}

void ForEachTensor(const c10::IValue& value, const std::function<void(const at::Tensor&)>& each) {
  if (value.isTensor()) {
    if (value.toTensor().defined()) each(value.toTensor());
  } else if (value.isList()) {
    for (const c10::IValue& element : value.toListRef()) ForEachTensor(element, each);
  } else if (value.isTuple()) {
    for (const c10::IValue& element : value.toTupleRef().elements()) ForEachTensor(element, each);
  } else if (value.isGenericDict()) {
    for (const auto& entry : value.toGenericDict()) ForEachTensor(entry.value(), each);
  }
}

bool HoldsValues(const c10::IValue& value) {
  if (value.isTensor() || value.isNone()) return false;
  if (value.isList()) {
    for (const c10::IValue& element : value.toListRef())
      if (HoldsValues(element)) return true;
    return false;
  }
  if (value.isTuple()) {
    for (const c10::IValue& element : value.toTupleRef().elements())
      if (HoldsValues(element)) return true;
    return false;
  }
  if (value.isGenericDict()) {
    for (const auto& entry : value.toGenericDict())
      if (HoldsValues(entry.value())) return true;
    return false;
  }
  return true;
}

}  // namespace isotorch
