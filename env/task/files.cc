#include "env/task/files.h"

#include <utility>

namespace quorate::env {

using StatusDone = File::Done;

WaitFor<absl::StatusOr<std::unique_ptr<File>>> Open(Disk& disk,
                                                    std::string name,
                                                    Disk::OpenMode mode,
                                                    FileUse use) {
  return WaitFor<absl::StatusOr<std::unique_ptr<File>>>(
      [&disk, name = std::move(name), mode, use](Disk::OpenDone done) {
        return disk.Open(name, mode, use, std::move(done));
      });
}

WaitFor<absl::StatusOr<std::vector<std::string>>> List(Disk& disk) {
  return WaitFor<absl::StatusOr<std::vector<std::string>>>(
      [&disk](Disk::ListDone done) { return disk.List(std::move(done)); });
}

WaitFor<absl::Status> Remove(Disk& disk, std::string name) {
  return WaitFor<absl::Status>(
      [&disk, name = std::move(name)](StatusDone done) {
        return disk.Remove(name, std::move(done));
      });
}

WaitFor<absl::Status> Rename(Disk& disk, std::string from, std::string to) {
  return WaitFor<absl::Status>(
      [&disk, from = std::move(from), to = std::move(to)](StatusDone done) {
        return disk.Rename(from, to, std::move(done));
      });
}

WaitFor<absl::Status> SyncDirectory(Disk& disk) {
  return WaitFor<absl::Status>(
      [&disk](StatusDone done) { return disk.SyncDirectory(std::move(done)); });
}

WaitFor<absl::Status> Lock(Disk& disk, std::string name) {
  return WaitFor<absl::Status>(
      [&disk, name = std::move(name)](StatusDone done) {
        return disk.Lock(name, std::move(done));
      });
}

WaitFor<absl::StatusOr<Buffer>> Read(File& file, uint64_t offset, size_t size) {
  return WaitFor<absl::StatusOr<Buffer>>(
      [&file, offset, size](File::ReadDone done) {
        return file.Read(offset, size, std::move(done));
      });
}

WaitFor<absl::Status> Write(File& file, uint64_t offset, Buffer bytes,
                            Durability durability) {
  return WaitFor<absl::Status>(
      [&file, offset, bytes = std::move(bytes), durability](StatusDone done) {
        return file.Write(offset, {&bytes, 1}, durability, std::move(done));
      });
}

WaitFor<absl::Status> Sync(File& file) {
  return WaitFor<absl::Status>(
      [&file](StatusDone done) { return file.Sync(std::move(done)); });
}

WaitFor<absl::StatusOr<uint64_t>> Size(File& file) {
  return WaitFor<absl::StatusOr<uint64_t>>(
      [&file](File::SizeDone done) { return file.Size(std::move(done)); });
}

}  // namespace quorate::env
