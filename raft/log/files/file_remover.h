// raft/log/files/file_remover.h: removes files of the data directory in the
// background, one after another.
#ifndef QUORATE_RAFT_LOG_FILES_FILE_REMOVER_H_
#define QUORATE_RAFT_LOG_FILES_FILE_REMOVER_H_

#include <deque>
#include <string>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "env/disk.h"
#include "env/pending.h"
#include "env/tracer.h"

namespace quorate::raft {

// A file that cannot be removed is logged; it only takes space until the next
// start finds it again. Destroying the object cancels what is left.
class FileRemover {
 public:
  using Done = absl::AnyInvocable<void(absl::Status)>;

  // `owner` begins the lines of the log, and outlives the object.
  FileRemover(env::Disk& disk, env::Tracer& tracer, absl::string_view owner)
      : disk_(disk), tracer_(tracer), owner_(owner) {}

  void Remove(std::string name);
  // Call before another file gets the name of one that was removed. Removals of
  // the name that have not begun are dropped. Calls `done` once no removal of
  // it runs; at once if none does.
  void Reclaim(const std::string& name, absl::AnyInvocable<void()> done);
  // Syncs the directory once the files before are gone.
  void SyncDirectory(Done done);

 private:
  // Without a name the directory is synced.
  struct Removal {
    std::string name;
    Done done;
  };

  void Add(Removal removal);
  void Next();

  env::Disk& disk_;
  env::Tracer& tracer_;
  const absl::string_view owner_;
  std::deque<Removal> removals_;  // The first one is running.
  env::Pending pending_;
};

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_LOG_FILES_FILE_REMOVER_H_
