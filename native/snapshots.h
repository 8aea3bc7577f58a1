// Snapshots at the boundary, for what JavaScript reads over several turns of its event loop.
#pragma once
#include "bridge.h"
#include "snapshot.h"

namespace isotorch {

std::shared_ptr<Snapshot> SnapshotArgument(const Napi::CallbackInfo& info, size_t index, Environment& environment);

// Throws ERR_ARGUMENT unless a storage has these bytes.
void RequireRange(const at::Tensor& tensor, int64_t start, int64_t length);

}  // namespace isotorch
