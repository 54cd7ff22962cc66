#include "raft/log/files/file_remover.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace quorate::raft {

void FileRemover::Remove(std::string name) { Add({std::move(name), nullptr}); }

void FileRemover::Reclaim(const std::string& name,
                          absl::AnyInvocable<void()> done) {
  std::erase(failed_, name);
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
    if (!removal.name.empty()) OnRemoved(removal, status);
    Next();
    if (removal.done != nullptr) removal.done(status);
  };
  const std::string& name = removals_.front().name;
  pending_ =
      name.empty() ? disk_.SyncDirectory(ended) : disk_.Remove(name, ended);
}

void FileRemover::OnRemoved(const Removal& removal,
                            const absl::Status& status) {
  if (status.ok() || absl::IsNotFound(status)) {
    if (removal.repeated) pause_ = kPauseMin;
    return;
  }
  if (!removal.repeated && tracer_.Logs(env::Severity::kWarning)) {
    tracer_.Log(env::Severity::kWarning,
                absl::StrCat(owner_, ": cannot remove ", removal.name, ": ",
                             status.ToString()));
  }
  // Reclaim was called: another file gets the name now.
  if (removal.done != nullptr) return;
  RepeatLater(removal.name);
}

void FileRemover::RepeatLater(const std::string& name) {
  if (failed_.size() == kRepeatedMax) return;
  failed_.push_back(name);
  if (failed_.size() > 1) return;
  repeat_ = loop_.At(loop_.ReadClock().mono + pause_, [this] {
    for (std::string& failed : std::exchange(failed_, {})) {
      Add({std::move(failed), nullptr, /*repeated=*/true});
    }
  });
  pause_ = std::min(pause_ * 2, kPauseMax);
}

}  // namespace quorate::raft
