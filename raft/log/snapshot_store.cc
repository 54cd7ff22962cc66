// Opens the snapshot store: lists the files, checks which are complete, and
// keeps the newest of each group.
#include "raft/log/snapshot_store.h"

#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "env/annotate.h"
#include "raft/log/snapshot_format.h"
#include "raft/log/snapshot_store_impl.h"

namespace quorate::raft {
namespace {

class Opening final : public AsyncTask {
 public:
  Opening(env::Env& env, const LogOptions& options,
          SnapshotStore::Opened opened)
      : env_(env), options_(options), opened_(std::move(opened)) {
    pending_ =
        env_.disk.List([this](absl::StatusOr<std::vector<std::string>> names) {
          if (!names.ok()) return Finish(names.status());
          for (const std::string& name : *names) {
            const auto parsed = ParseSnapshotName(name);
            if (!parsed.has_value()) continue;
            if (parsed->staging) {
              surplus_.push_back(name);
            } else {
              files_.push_back(*parsed);
            }
          }
          ReadNext();
        });
  }

 private:
  void ReadNext() {
    if (files_.empty()) return RemoveSurplus();
    current_ = files_.front();
    files_.pop_front();
    pending_ = env_.disk.Open(
        Name(), env::Disk::OpenMode::kExisting,
        [this](absl::StatusOr<std::unique_ptr<env::File>> file) {
          if (!file.ok()) return Finish(file.status());
          file_ = *std::move(file);
          pending_ = file_->Size([this](absl::StatusOr<uint64_t> size) {
            if (!size.ok()) return Finish(size.status());
            attempts_left_ = 2;
            ReadFooter(*size);
          });
        });
  }

  void ReadFooter(uint64_t size) {
    if (size < kSnapshotFooterBytes) {
      return OnDamaged(absl::DataLossError("the file is too short"));
    }
    pending_ = file_->Read(size - kSnapshotFooterBytes, kSnapshotFooterBytes,
                           [this, size](absl::StatusOr<Buffer> bytes) {
                             if (!bytes.ok()) {
                               return OnUnreadable(bytes.status(), size);
                             }
                             OnFooter(bytes->view(), size);
                           });
  }

  void OnFooter(std::string_view bytes, uint64_t size) {
    const auto footer = DecodeSnapshotFooter(bytes, size);
    if (absl::IsFailedPrecondition(footer.status())) {
      return Finish(footer.status());
    }
    if (!footer.ok()) return OnDamaged(footer.status());
    if (footer->cluster != options_.cluster ||
        footer->store != options_.store) {
      return Finish(absl::FailedPreconditionError(absl::StrCat(
          Name(), " belongs to store ", footer->store.value(), " of cluster ",
          footer->cluster.value(), ", this is store ", options_.store.value(),
          " of cluster ", options_.cluster.value(),
          "; put it back where it came from")));
    }
    const SnapshotFooter checked = *footer;
    pending_ =
        file_->Read(footer->data_bytes, footer->trailer_bytes,
                    [this, checked, size](absl::StatusOr<Buffer> trailer) {
                      if (!trailer.ok()) {
                        return OnUnreadable(trailer.status(), size);
                      }
                      OnTrailer(trailer->view(), checked);
                    });
  }

  void OnTrailer(std::string_view bytes, const SnapshotFooter& footer) {
    auto trailer = DecodeSnapshotTrailer(bytes, footer);
    if (absl::IsFailedPrecondition(trailer.status())) {
      return Finish(trailer.status());
    }
    if (!trailer.ok()) return OnDamaged(trailer.status());
    if (trailer->group != current_.group ||
        trailer->descriptor.position != current_.position) {
      return OnDamaged(
          absl::DataLossError("the file holds another snapshot's contents"));
    }
    const auto found = stored_.find(current_.group);
    if (found != stored_.end()) {
      if (found->second.descriptor.position.index > current_.position.index) {
        surplus_.push_back(Name());
        return ReadNext();
      }
      surplus_.push_back(
          SnapshotName(current_.group, found->second.descriptor.position));
    }
    stored_[current_.group] = {std::move(trailer->descriptor),
                               std::move(trailer->blocks)};
    ReadNext();
  }

  // Bytes that the disk cannot read are damage to this file alone.
  void OnUnreadable(const absl::Status& status, uint64_t size) {
    if (--attempts_left_ > 0) return ReadFooter(size);
    OnDamaged(status);
  }

  // The damaged file is kept for inspection.
  void OnDamaged(const absl::Status& status) {
    damaged_[current_.group] = absl::DataLossError(
        absl::StrCat(Name(), ": ", std::string(status.message())));
    if (env_.tracer.Logs(env::Severity::kError)) {
      env_.tracer.Log(env::Severity::kError,
                      absl::StrCat("snapshot: ", Name(), " cannot be used: ",
                                   std::string(status.message())));
    }
    ReadNext();
  }

  // Runs before the first write, since a new file may have the name of an old
  // one.
  void RemoveSurplus() {
    if (surplus_.empty()) return Finish(absl::OkStatus());
    const std::string name = std::move(surplus_.back());
    surplus_.pop_back();
    pending_ = env_.disk.Remove(name, [this](absl::Status status) {
      if (!status.ok()) return Finish(status);
      RemoveSurplus();
    });
  }

  std::string Name() const {
    return SnapshotName(current_.group, current_.position);
  }

  void Finish(absl::Status status) {
    SnapshotStore::Opened opened = std::move(opened_);
    if (!status.ok()) {
      return opened(Annotate(status, "cannot open the snapshots"));
    }
    opened(std::unique_ptr<SnapshotStore>(std::make_unique<SnapshotStoreImpl>(
        env_, options_, std::move(stored_), std::move(damaged_))));
  }

  env::Env& env_;
  const LogOptions options_;
  SnapshotStore::Opened opened_;
  env::Pending pending_;
  std::deque<SnapshotFileName> files_;
  SnapshotFileName current_;
  int attempts_left_ = 0;  // Attempts to read the end of the current file.
  std::unique_ptr<env::File> file_;
  std::map<GroupKey, StoredSnapshot> stored_;
  std::map<GroupKey, absl::Status> damaged_;
  std::vector<std::string> surplus_;
};

}  // namespace

std::unique_ptr<AsyncTask> SnapshotStore::Open(env::Env& env,
                                               const LogOptions& options,
                                               Opened opened) {
  return std::make_unique<Opening>(env, options, std::move(opened));
}

}  // namespace quorate::raft
