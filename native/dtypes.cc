// Names of data types as PyTorch spells them.
#include <string>
#include <unordered_map>

#include "values.h"

namespace isotorch {

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
    case at::ScalarType::Float4_e2m1fn_x2: return "float4_e2m1fn_x2";
    case at::kQUInt4x2: return "quint4x2";
    case at::kQUInt2x4: return "quint2x4";
    case at::ScalarType::Bits1x8: return "bits1x8";
    case at::ScalarType::Bits2x4: return "bits2x4";
    case at::ScalarType::Bits4x2: return "bits4x2";
    case at::ScalarType::Bits8: return "bits8";
    case at::ScalarType::Bits16: return "bits16";
    case at::ScalarType::Int1: return "int1";
    case at::ScalarType::UInt1: return "uint1";
    case at::ScalarType::Int2: return "int2";
    case at::ScalarType::UInt2: return "uint2";
    case at::ScalarType::Int3: return "int3";
    case at::ScalarType::UInt3: return "uint3";
    case at::ScalarType::Int4: return "int4";
    case at::ScalarType::UInt4: return "uint4";
    case at::ScalarType::Int5: return "int5";
    case at::ScalarType::UInt5: return "uint5";
    case at::ScalarType::Int6: return "int6";
    case at::ScalarType::UInt6: return "uint6";
    case at::ScalarType::Int7: return "int7";
    case at::ScalarType::UInt7: return "uint7";
    default: return c10::toString(dtype);
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
