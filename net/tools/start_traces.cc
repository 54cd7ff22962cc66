#include "net/tools/start_traces.h"

#include <fcntl.h>
#include <unistd.h>

#include <system_error>
#include <utility>

#include "absl/status/statusor.h"
#include "net/disk/posix_file.h"

namespace quorate::net {

namespace fs = std::filesystem;

StartTraces::StartTraces(const std::string& directory, Names names)
    : names_(std::move(names)) {
  std::error_code error;
  directory_ = fs::absolute(directory, error).lexically_normal();
  if (!directory_.has_filename()) directory_ = directory_.parent_path();
  for (fs::path path = directory_; !path.empty() && !fs::exists(path, error);
       path = path.parent_path()) {
    missing_.push_back(path);
    if (path == path.root_path()) break;
  }
  for (auto it = fs::directory_iterator(directory_, error);
       !error && it != fs::directory_iterator(); it.increment(error)) {
    files_.insert(it->path().filename().string());
  }
}

void StartTraces::Remove() const {
  if (was_store()) return;
  RemoveFiles();
  for (const fs::path& path : missing_) {
    std::error_code error;
    if (rmdir(path.c_str()) != 0 && fs::exists(path, error)) break;
  }
}

// Holds the lock of the directory, so that no file of another process is
// removed.
void StartTraces::RemoveFiles() const {
  const OwnedFd fd(
      open(directory_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (fd.get() < 0) return;
  const absl::StatusOr<OwnedFd> lock =
      LockFile(fd.get(), names_.lock, directory_.string());
  const absl::StatusOr<std::vector<std::string>> names = ListFiles(fd.get());
  if (!lock.ok() || !names.ok()) return;
  for (const std::string& name : *names) {
    if (name == names_.marker) return;
  }
  for (const std::string& name : *names) {
    if (!files_.contains(name)) unlinkat(fd.get(), name.c_str(), 0);
  }
}

}  // namespace quorate::net
