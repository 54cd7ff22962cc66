// raft/log/files/file_remover.h: removes files of the data directory in the
// background, one after another.
#ifndef QUORATE_RAFT_LOG_FILES_FILE_REMOVER_H_
#define QUORATE_RAFT_LOG_FILES_FILE_REMOVER_H_

#include <cstddef>
#include <deque>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "env/env.h"

namespace quorate::raft {

// A file that cannot be removed only takes space. It is logged once, and its
// removal is tried again after pauses. The next start finds the file, too.
// Destroying the object cancels what is left.
class FileRemover {
 public:
  using Done = absl::AnyInvocable<void(absl::Status)>;

  // The pause doubles until a repeated removal succeeds.
  static constexpr Duration kPauseMin = Seconds(10);
  static constexpr Duration kPauseMax = Seconds(600);
  // Removals of at most so many files are repeated. Further files stay until
  // the next start.
  static constexpr size_t kRepeatedMax = 256;

  // `owner` begins the lines of the log, and outlives the object.
  FileRemover(env::Env& env, absl::string_view owner)
      : loop_(env.loop), disk_(env.disk), tracer_(env.tracer), owner_(owner) {}

  void Remove(std::string name);
  // Call before another file gets the name of one that was removed. Removals of
  // the name that have not begun are dropped, and none is repeated. Calls
  // `done` once no removal of it runs; at once if none does.
  void Reclaim(const std::string& name, absl::AnyInvocable<void()> done);
  // Syncs the directory once the files before are gone. It does not wait for
  // repeated removals.
  void SyncDirectory(Done done);

 private:
  // Without a name the directory is synced.
  struct Removal {
    std::string name;
    Done done;
    bool repeated = false;
  };

  void Add(Removal removal);
  void Next();
  void OnRemoved(const Removal& removal, const absl::Status& status);
  void RepeatLater(const std::string& name);

  env::Loop& loop_;
  env::Disk& disk_;
  env::Tracer& tracer_;
  const absl::string_view owner_;
  std::deque<Removal> removals_;  // The first one is running.
  env::Pending pending_;
  std::vector<std::string> failed_;  // Removed again after the pause.
  Duration pause_ = kPauseMin;
  env::Pending repeat_;
};

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_LOG_FILES_FILE_REMOVER_H_
