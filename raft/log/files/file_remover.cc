#include "raft/log/files/file_remover.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace quorate::raft {

void FileRemover::Remove(std::string name) { Add({std::move(name), nullptr}); }

void FileRemover::SyncDirectory(Done done) { Add({"", std::move(done)}); }

void FileRemover::Add(Removal removal) {
  removals_.push_back(std::move(removal));
  if (removals_.size() == 1) Next();
}

void FileRemover::Next() {
  if (removals_.empty()) return;
  const auto ended = [this](absl::Status status) {
    Removal removal = std::move(removals_.front());
    removals_.pop_front();
    if (!status.ok() && !absl::IsNotFound(status) &&
        tracer_.Logs(env::Severity::kWarning)) {
      tracer_.Log(env::Severity::kWarning,
                  absl::StrCat(owner_, ": cannot remove ", removal.name, ": ",
                               status.ToString()));
    }
    Next();
    if (removal.done != nullptr) removal.done(status);
  };
  const std::string& name = removals_.front().name;
  pending_ =
      name.empty() ? disk_.SyncDirectory(ended) : disk_.Remove(name, ended);
}

}  // namespace quorate::raft
