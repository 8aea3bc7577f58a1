// Files straight into storages and back, on the thread pool of Node: no copy in between, and the checksum of what went
// by. The formats themselves are TypeScript's (lib/checkpoint/).
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "bridge.h"
#include "capture/recorder.h"
#include "crc32.h"
#include "flights.h"
#include "plain.h"
#include "snapshots.h"

namespace isotorch {
namespace {

constexpr int64_t kPiece = 4 << 20;  // stays in the cache between its transfer and its checksum

struct Transfer {
  Napi::Promise::Deferred deferred;
  int fd;
  int64_t length;
  // What is written; or what is read into, from a place of its storage and of the file.
  std::shared_ptr<Snapshot> from{};
  at::Tensor into{};
  int64_t start = 0, offset = 0;
  std::shared_ptr<Flight> flight{};
  uint32_t crc = 0;
  int64_t done = 0;
  int error = 0;
  napi_async_work work = nullptr;

  void Run() {
    if (from) {
      // Piece by piece, so that whoever has to change the memory waits for no more than one.
      while (done < length && error == 0) {
        int64_t before = done;
        from->Look([this](const at::Tensor& bytes) { Write(static_cast<const char*>(bytes.const_data_ptr()) + done); });
        BeginDisk(done - before);
      }
    } else {
      auto* data = static_cast<char*>(into.storage().mutable_data()) + start;
      while (done < length && error == 0 && Read(data + done)) {
      }
      flight->Land();
    }
  }

  void Write(const char* data) {
    int64_t wanted = std::min(kPiece, length - done);
    crc = Crc32(crc, data, wanted);
    for (int64_t part = 0; part < wanted;) {
      ssize_t moved = ::write(fd, data + part, wanted - part);
      if (moved < 0 && errno == EINTR) continue;
      if (moved <= 0) return void(error = moved < 0 ? errno : EIO);
      part += moved;
    }
    done += wanted;
  }

  // With the last bytes written, so that fsync has less to wait for.
  void BeginDisk([[maybe_unused]] int64_t bytes) {
#ifdef __linux__
    ::sync_file_range(fd, ::lseek(fd, 0, SEEK_CUR) - bytes, bytes, SYNC_FILE_RANGE_WRITE);
#endif
  }

  // False at the file's end.
  bool Read(char* data) {
    int64_t wanted = std::min(kPiece, length - done);
    for (int64_t part = 0; part < wanted;) {
      ssize_t moved = ::pread(fd, data + part, wanted - part, offset + done + part);
      if (moved < 0 && errno == EINTR) continue;
      if (moved < 0) error = errno;
      if (moved <= 0) return false;
      part += moved;
    }
    crc = Crc32(crc, data, wanted);
    done += wanted;
    return true;
  }
};

// Resolves with [bytes moved, checksum].
void Settle(Napi::Env env, Transfer& transfer) {
  Napi::HandleScope scope(env);
  if (transfer.flight) Environment::Of(env).flights->End(transfer.flight);
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

// readStorage(tensor, fd, start, length, offset): fills a range of the tensor's storage from the file.
Napi::Value ReadStorage(const Napi::CallbackInfo& info, Environment& environment) {
  at::Tensor tensor = TensorArgument(info, 0, environment);
  auto fd = static_cast<int>(IntegerArgument(info, 1, "fd"));
  int64_t start = IntegerArgument(info, 2, "start"), length = IntegerArgument(info, 3, "length");
  int64_t offset = IntegerArgument(info, 4, "offset");
  if (Recorder* recorder = environment.Recording()) recorder->RefuseRead("A tensor's values, from a file,");
  RequireMemory(tensor);
  if (!tensor.is_cpu()) throw Misuse("ERR_ARGUMENT", "Expected a dense tensor on the CPU");
  environment.flights->Settle(tensor, true);
  RequireRange(tensor, start, length);
  std::unique_ptr<Transfer> transfer(new Transfer{Napi::Promise::Deferred::New(info.Env()), fd, length});
  transfer->into = tensor.variable_data();
  transfer->start = start;
  transfer->offset = offset;
  transfer->flight = std::make_shared<Flight>(/*queued=*/false);
  transfer->flight->Add(tensor, true);
  environment.flights->Begin(transfer->flight);
  return Begin(info.Env(), std::move(transfer));
}

// writeSnapshot(snapshot, fd): writes all of it where the file stands.
Napi::Value WriteSnapshot(const Napi::CallbackInfo& info, Environment& environment) {
  auto snapshot = SnapshotArgument(info, 0, environment);
  auto fd = static_cast<int>(IntegerArgument(info, 1, "fd"));
  if (!snapshot->plain()) throw Misuse("ERR_ARGUMENT", "Expected bytes that lie on the CPU as they are to be written");
  std::unique_ptr<Transfer> transfer(new Transfer{Napi::Promise::Deferred::New(info.Env()), fd, snapshot->nbytes()});
  transfer->from = std::move(snapshot);
  return Begin(info.Env(), std::move(transfer));
}

}  // namespace

void ExportFiles(Napi::Env env, Napi::Object exports) {
  Export<ReadStorage>(env, exports, "readStorage");
  Export<WriteSnapshot>(env, exports, "writeSnapshot");
}

}  // namespace isotorch
