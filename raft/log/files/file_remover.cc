#include "raft/log/files/file_remover.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace quorate::raft {

void FileRemover::Remove(std::string name) { Add({std::move(name), nullptr}); }

void FileRemover::Reclaim(const std::string& name,
                          absl::AnyInvocable<void()> done) {
  if (removals_.empty()) return done();
  const auto waiting = removals_.begin() + 1;
  removals_.erase(std::remove_if(waiting, removals_.end(),
                                 [&](const Removal& removal) {
                                   return removal.name == name;
                                 }),
                  removals_.end());
  if (removals_.front().name != name) return done();
  removals_.front().done = [before = std::move(removals_.front().done),
                            done =
                                std::move(done)](absl::Status status) mutable {
    if (before != nullptr) before(status);
    done();
  };
}

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
