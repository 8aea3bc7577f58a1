// Files straight into storages and back, on the thread pool of Node: no copy in between, and the checksum of what went
// by. The formats themselves are TypeScript's (lib/checkpoint/).
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "bridge.h"
#include "capture/flights.h"
#include "capture/recorder.h"
#include "crc32.h"
#include "plain.h"

namespace isotorch {
namespace {

constexpr int64_t kPiece = 4 << 20;  // stays in the cache between its transfer and its checksum

struct Transfer {
  Napi::Promise::Deferred deferred;
  at::Tensor tensor;  // holds the storage
  char* data;
  int fd;
  int64_t offset;  // in the file; −1: where it stands
  int64_t length;
  bool write;
  uint32_t crc = 0;
  int64_t done = 0;
  int error = 0;
  napi_async_work work = nullptr;

  void Run() {
    while (done < length) {
      int64_t wanted = std::min(kPiece, length - done);
      if (write) crc = Crc32(crc, data + done, wanted);
      for (int64_t part = 0; part < wanted;) {
        ssize_t moved = write ? ::write(fd, data + done + part, wanted - part)
                              : ::pread(fd, data + done + part, wanted - part, offset + done + part);
        if (moved < 0 && errno == EINTR) continue;
        if (moved < 0) error = errno;
        if (moved <= 0) return;  // an error, or the file's end
        part += moved;
      }
      if (!write) crc = Crc32(crc, data + done, wanted);
      done += wanted;
#ifdef __linux__
      // The disk begins now, so that fsync has less to wait for.
      if (write) ::sync_file_range(fd, ::lseek(fd, 0, SEEK_CUR) - wanted, wanted, SYNC_FILE_RANGE_WRITE);
#endif
    }
  }
};

// Resolves with [bytes moved, checksum].
void Settle(Napi::Env env, Transfer& transfer) {
  Napi::HandleScope scope(env);
  if (transfer.error != 0) {
    Napi::Error error = Napi::Error::New(env, std::strerror(transfer.error));
    error.Set("code", transfer.error == ENOSPC ? "ENOSPC" : transfer.error == EDQUOT ? "EDQUOT" : "EIO");
    transfer.deferred.Reject(error.Value());
    return;
  }
  auto result = Napi::Float64Array::New(env, 2);
  result[0] = static_cast<double>(transfer.done);
  result[1] = transfer.crc;
  transfer.deferred.Resolve(result);
}

Napi::Value Begin(Napi::Env env, std::unique_ptr<Transfer> transfer) {
  napi_value promise = transfer->deferred.Promise();
  Transfer* raw = transfer.get();
  Check(env, napi_create_async_work(
                 env, nullptr, Napi::String::New(env, "isotorch file"),
                 [](napi_env, void* data) { static_cast<Transfer*>(data)->Run(); },
                 [](napi_env env, napi_status, void* data) {
                   std::unique_ptr<Transfer> done(static_cast<Transfer*>(data));
                   napi_delete_async_work(env, done->work);
                   try {
                     Settle(env, *done);
                   } catch (const Napi::Error&) {  // a worker that is being terminated: nobody waits
                   }
                 },
                 raw, &raw->work));
  Check(env, napi_queue_async_work(env, raw->work));
  transfer.release();
  return Napi::Value(env, promise);
}

std::unique_ptr<Transfer> TransferOf(const Napi::CallbackInfo& info, Environment& environment, bool write) {
  at::Tensor tensor = TensorArgument(info, 0, environment);
  auto fd = static_cast<int>(IntegerArgument(info, 1, "fd"));
  int64_t start = IntegerArgument(info, 2, "start"), length = IntegerArgument(info, 3, "length");
  int64_t offset = write ? -1 : IntegerArgument(info, 4, "offset");
  if (Recorder* recorder = environment.Recording()) recorder->RefuseRead("A tensor's values, to or from a file,");
  if (write && tensor._is_zerotensor())
    tensor = at::zeros({static_cast<int64_t>(tensor.storage().nbytes())}, at::kByte);
  RequireMemory(tensor);
  if (!tensor.is_cpu()) throw Misuse("ERR_ARGUMENT", "Expected a dense tensor on the CPU");
  auto nbytes = static_cast<int64_t>(tensor.storage().nbytes());
  if (start < 0 || length < 0 || start > nbytes || length > nbytes - start)
    throw Misuse("ERR_ARGUMENT", "Expected a range of the storage's " + std::to_string(nbytes) + " bytes");
  environment.flights->Settle(tensor, !write);
  auto* data = static_cast<char*>(write ? const_cast<void*>(tensor.storage().data()) : tensor.storage().mutable_data());
  return std::unique_ptr<Transfer>(new Transfer{Napi::Promise::Deferred::New(info.Env()), std::move(tensor),
                                                data + start, fd, offset, length, write});
}

// readStorage(tensor, fd, start, length, offset): fills a range of the tensor's storage from the file.
Napi::Value ReadStorage(const Napi::CallbackInfo& info, Environment& environment) {
  return Begin(info.Env(), TransferOf(info, environment, false));
}

// writeStorage(tensor, fd, start, length): writes a range of the tensor's storage where the file stands.
Napi::Value WriteStorage(const Napi::CallbackInfo& info, Environment& environment) {
  return Begin(info.Env(), TransferOf(info, environment, true));
}

}  // namespace

void ExportFiles(Napi::Env env, Napi::Object exports) {
  Export<ReadStorage>(env, exports, "readStorage");
  Export<WriteStorage>(env, exports, "writeStorage");
}

}  // namespace isotorch
