// Names of data types as PyTorch spells them.
#include <cctype>
#include <string>
#include <unordered_map>
#include <vector>

#include "values.h"

namespace isotorch {
namespace {

// Of dtypes that hold packed bits, which LibTorch stores and hardly computes with: its own names, in small letters.
const std::vector<std::string>& OtherNames() {
  static const auto* names = [] {
    auto* list = new std::vector<std::string>;
    for (int i = 0; i <= static_cast<int>(at::ScalarType::Undefined); i++) {
      list->emplace_back(c10::toString(static_cast<at::ScalarType>(i)));
      for (char& letter : list->back()) letter = static_cast<char>(std::tolower(letter));
    }
    return list;
  }();
  return *names;
}

}  // namespace

const char* DtypeName(at::ScalarType dtype) {
  switch (dtype) {
    case at::kFloat: return "float32";
    case at::kDouble: return "float64";
    case at::kHalf: return "float16";
    case at::kByte: return "uint8";
    case at::kChar: return "int8";
    case at::kShort: return "int16";
    case at::kInt: return "int32";
    case at::kLong: return "int64";
    case at::ScalarType::UInt16: return "uint16";
    case at::ScalarType::UInt32: return "uint32";
    case at::ScalarType::UInt64: return "uint64";
    case at::kComplexHalf: return "complex32";
    case at::kComplexFloat: return "complex64";
    case at::kComplexDouble: return "complex128";
    case at::kBFloat16: return "bfloat16";
    case at::kBool: return "bool";
    case at::ScalarType::Float8_e5m2: return "float8_e5m2";
    case at::ScalarType::Float8_e4m3fn: return "float8_e4m3fn";
    case at::ScalarType::Float8_e5m2fnuz: return "float8_e5m2fnuz";
    case at::ScalarType::Float8_e4m3fnuz: return "float8_e4m3fnuz";
    case at::ScalarType::Float8_e8m0fnu: return "float8_e8m0fnu";
    case at::kQInt8: return "qint8";
    case at::kQUInt8: return "quint8";
    case at::kQInt32: return "qint32";
    default: return OtherNames()[static_cast<size_t>(dtype)].c_str();
  }
}

at::ScalarType DtypeFromName(const std::string& name) {
  static const auto* by_name = [] {
    auto* table = new std::unordered_map<std::string, at::ScalarType>;
    for (int i = 0; i < static_cast<int>(at::ScalarType::Undefined); i++) {
      auto dtype = static_cast<at::ScalarType>(i);
      table->emplace(DtypeName(dtype), dtype);
    }
    return table;
  }();
  auto found = by_name->find(name);
  if (found != by_name->end()) return found->second;
  throw Misuse("ERR_DTYPE", "Expected a dtype such as 'float32', 'int64' or 'bfloat16' but received '" + name + "'");
}

}  // namespace isotorch
