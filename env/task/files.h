// env/task/files.h: env::Disk and env::File for tasks. The contracts of
// durability, errors and sizes are those of env/disk.h.
//
// Destroying a task that waits cancels the wait. The operation may take effect
// nevertheless.
#ifndef QUORATE_ENV_TASK_FILES_H_
#define QUORATE_ENV_TASK_FILES_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "env/buffer.h"
#include "env/disk.h"
#include "env/task/wait.h"

namespace quorate::env {

WaitFor<absl::StatusOr<std::unique_ptr<File>>> Open(
    Disk& disk, std::string name, Disk::OpenMode mode,
    FileUse use = FileUse::kBulk);
WaitFor<absl::StatusOr<std::vector<std::string>>> List(Disk& disk);
WaitFor<absl::Status> Remove(Disk& disk, std::string name);
WaitFor<absl::Status> Rename(Disk& disk, std::string from, std::string to);
WaitFor<absl::Status> SyncDirectory(Disk& disk);
WaitFor<absl::Status> Lock(Disk& disk, std::string name);

WaitFor<absl::StatusOr<Buffer>> Read(File& file, uint64_t offset, size_t size);
WaitFor<absl::Status> Write(File& file, uint64_t offset, Buffer bytes,
                            Durability durability);
WaitFor<absl::Status> Sync(File& file);
WaitFor<absl::StatusOr<uint64_t>> Size(File& file);

}  // namespace quorate::env

#endif  // QUORATE_ENV_TASK_FILES_H_
