// How an argument or a result of an operator is converted, told from its type in the schema.
#include "values.h"

namespace isotorch {
namespace {

Kind KindOf(const c10::Type& type) {
  switch (type.kind()) {
    case c10::TypeKind::TensorType: return Kind::kTensor;
    case c10::TypeKind::IntType:
    case c10::TypeKind::SymIntType: return Kind::kInt;
    case c10::TypeKind::FloatType:
    case c10::TypeKind::SymFloatType: return Kind::kFloat;
    case c10::TypeKind::BoolType:
    case c10::TypeKind::SymBoolType: return Kind::kBool;
    case c10::TypeKind::NumberType: return Kind::kScalar;
    case c10::TypeKind::ComplexType: return Kind::kComplex;
    case c10::TypeKind::StringType: return Kind::kString;
    case c10::TypeKind::DeviceObjType: return Kind::kDevice;
    case c10::TypeKind::ScalarTypeType: return Kind::kDtype;
    case c10::TypeKind::LayoutType: return Kind::kLayout;
    case c10::TypeKind::MemoryFormatType: return Kind::kMemoryFormat;
    case c10::TypeKind::GeneratorType: return Kind::kGenerator;
    default: return Kind::kUnsupported;
  }
}

}  // namespace

Plan PlanFor(const c10::Argument& argument) {
  Plan plan;
  plan.name = argument.name();
  plan.keyword_only = argument.kwarg_only();
  plan.default_value = argument.default_value();
  plan.type = argument.real_type()->str();
  c10::TypePtr type = argument.real_type();
  if (auto optional = type->cast<c10::OptionalType>()) {
    plan.optional = true;
    type = optional->getElementType();
  }
  if (auto list = type->cast<c10::ListType>()) {
    plan.list = true;
    plan.repeat = argument.N().value_or(0);
    type = list->getElementType();
    if (auto element = type->cast<c10::OptionalType>()) {
      plan.optional_elements = true;
      type = element->getElementType();
    }
  }
  plan.kind = KindOf(*type);
  if (plan.list && plan.optional_elements && plan.kind != Kind::kTensor) plan.kind = Kind::kUnsupported;
  return plan;
}

}  // namespace isotorch
