// JavaScript values ⇄ values of TorchScript, driven by TorchScript's types: lists, tuples and dicts of any depth. On
// the wire (see lib/script/values.ts) a tensor is a Float64Array of one handle, a Map or object an array of [key,
// value], so that nothing has to be guessed.
#pragma once
#include <ATen/core/jit_type.h>

#include <functional>
#include <vector>

#include "../environment.h"

namespace isotorch {

// Throws Misuse naming `where`; appends the handles of all tensors, in order, to `tensors`.
c10::IValue ScriptValue(Napi::Value value, const c10::TypePtr& type, const std::string& where,
                        const Environment& environment, std::vector<Handle>& tensors);

// The way back: tuples are { tuple, names? }, dicts { dict: [[key, value] …] }. Appends handles, 0 for undefined
// tensors.
Napi::Value FromScript(Napi::Env env, const c10::IValue& value, Environment& environment, std::vector<Handle>& tensors);

// The same value with other tensors, which `next` gives in order.
c10::IValue WithTensors(const c10::IValue& value, const std::function<at::Tensor()>& next);
// Its tensors in the same order.
void ForEachTensor(const c10::IValue& value, const std::function<void(const at::Tensor&)>& each);
// Whether it holds anything but tensors (and nothing at all): numbers, text.
bool HoldsValues(const c10::IValue& value);

}  // namespace isotorch
