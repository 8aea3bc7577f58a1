#include "snapshots.h"

#include "capture/recorder.h"
#include "flights.h"
#include "plain.h"

namespace isotorch {
namespace {

void RequireInside(const Snapshot& snapshot, int64_t start, int64_t length) {
  if (start < 0 || length < 0 || start > snapshot.nbytes() || length > snapshot.nbytes() - start)
    throw Misuse("ERR_ARGUMENT", "Expected a range of the snapshot's " + std::to_string(snapshot.nbytes()) + " bytes");
}

// beginSnapshot(tensor): its number. Of the values, row by row; its bytes are asked for below.
Napi::Value BeginSnapshot(const Napi::CallbackInfo& info, Environment& environment) {
  at::Tensor tensor = TensorArgument(info, 0, environment);
  if (Recorder* recorder = environment.Recording()) recorder->RefuseRead("A tensor's values");
  if (tensor._is_zerotensor() || !Peculiarity(tensor).empty()) tensor = Plain(tensor);  // or throws
  uint32_t number = environment.next_snapshot++;
  environment.snapshots.emplace(number, environment.flights->Hold(tensor));
  return Napi::Number::New(info.Env(), number);
}

// beginStorageSnapshot(tensor, start, length): the same of a range of its storage's bytes, whatever they mean.
Napi::Value BeginStorageSnapshot(const Napi::CallbackInfo& info, Environment& environment) {
  at::Tensor tensor = TensorArgument(info, 0, environment);
  int64_t start = IntegerArgument(info, 1, "start"), length = IntegerArgument(info, 2, "length");
  if (Recorder* recorder = environment.Recording()) recorder->RefuseRead("A tensor's bytes");
  if (tensor._is_zerotensor()) tensor = at::zeros({static_cast<int64_t>(tensor.storage().nbytes())}, at::kByte);
  RequireMemory(tensor);
  RequireRange(tensor, start, length);
  uint32_t number = environment.next_snapshot++;
  environment.snapshots.emplace(number, environment.flights->HoldBytes(StorageBytes(tensor, start, length)));
  return Napi::Number::New(info.Env(), number);
}

// snapshotSize(snapshot): in bytes.
Napi::Value SnapshotSize(const Napi::CallbackInfo& info, Environment& environment) {
  return Napi::Number::New(info.Env(), static_cast<double>(SnapshotArgument(info, 0, environment)->nbytes()));
}

// snapshotIsPlain(snapshot): whether a file can take its bytes as they lie.
Napi::Value SnapshotIsPlain(const Napi::CallbackInfo& info, Environment& environment) {
  return Napi::Boolean::New(info.Env(), SnapshotArgument(info, 0, environment)->plain());
}

// snapshotBytes(snapshot, start, length): resolves with a copy of some of its bytes.
Napi::Value SnapshotBytes(const Napi::CallbackInfo& info, Environment& environment) {
  Napi::Env env = info.Env();
  auto snapshot = SnapshotArgument(info, 0, environment);
  int64_t start = IntegerArgument(info, 1, "start"), length = IntegerArgument(info, 2, "length");
  RequireInside(*snapshot, start, length);
  auto job = std::make_unique<Job>(env);
  auto buffer = Napi::ArrayBuffer::New(env, length);
  job->held = Napi::Persistent(buffer.As<Napi::Object>());
  job->parallel = !snapshot->plain();
  job->work = [snapshot, start, length, memory = buffer.Data()] { snapshot->Copy(start, length, memory); };
  job->result = [raw = job.get(), length](Napi::Env env) {
    return Napi::Uint8Array::New(env, length, raw->held.Value().As<Napi::ArrayBuffer>(), 0);
  };
  return environment.mailbox->Send(env, std::move(job));
}

// snapshotBytesSync(snapshot, start, length)
Napi::Value SnapshotBytesSync(const Napi::CallbackInfo& info, Environment& environment) {
  auto snapshot = SnapshotArgument(info, 0, environment);
  int64_t start = IntegerArgument(info, 1, "start"), length = IntegerArgument(info, 2, "length");
  RequireInside(*snapshot, start, length);
  environment.flights->Settle(*snapshot);
  auto buffer = Napi::ArrayBuffer::New(info.Env(), length);
  snapshot->Copy(start, length, buffer.Data());
  return Napi::Uint8Array::New(info.Env(), length, buffer, 0);
}

// endSnapshot(snapshot): nobody needs it any more.
Napi::Value EndSnapshot(const Napi::CallbackInfo& info, Environment& environment) {
  auto found = environment.snapshots.find(static_cast<uint32_t>(IntegerArgument(info, 0, "snapshot")));
  if (found == environment.snapshots.end()) return Napi::Boolean::New(info.Env(), false);
  environment.flights->Release(found->second);
  environment.snapshots.erase(found);
  return Napi::Boolean::New(info.Env(), true);
}

}  // namespace

std::shared_ptr<Snapshot> SnapshotArgument(const Napi::CallbackInfo& info, size_t index, Environment& environment) {
  return Numbered(info, index, environment.snapshots, "snapshot");
}

void RequireRange(const at::Tensor& tensor, int64_t start, int64_t length) {
  auto nbytes = static_cast<int64_t>(tensor.storage().nbytes());
  if (start < 0 || length < 0 || start > nbytes || length > nbytes - start)
    throw Misuse("ERR_ARGUMENT", "Expected a range of the storage's " + std::to_string(nbytes) + " bytes");
}

void ExportSnapshots(Napi::Env env, Napi::Object exports) {
  Export<BeginSnapshot>(env, exports, "beginSnapshot");
  Export<BeginStorageSnapshot>(env, exports, "beginStorageSnapshot");
  Export<SnapshotSize>(env, exports, "snapshotSize");
  Export<SnapshotIsPlain>(env, exports, "snapshotIsPlain");
  Export<SnapshotBytes>(env, exports, "snapshotBytes");
  Export<SnapshotBytesSync>(env, exports, "snapshotBytesSync");
  Export<EndSnapshot>(env, exports, "endSnapshot");
}

}  // namespace isotorch
