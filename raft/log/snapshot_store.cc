// Opens the snapshot store: lists the files, checks which are complete, and
// keeps the newest of each group.
#include "raft/log/snapshot_store.h"

#include <algorithm>
#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "env/annotate.h"
#include "raft/log/read_attempts.h"
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
            if (!parsed->staging) {
              files_.push_back(*parsed);
              continue;
            }
            const std::string partner = PartnerOfReceived(name);
            if (partner.empty() ||
                !std::binary_search(names->begin(), names->end(), partner)) {
              surplus_.push_back(name);
            } else if (name < partner) {
              received_.push_back(name);
            }
            stagings_begun_ = std::max(stagings_begun_, parsed->received);
          }
          ReadNext();
        });
  }

 private:
  void ReadNext() {
    attempts_.Reset();
    if (files_.empty()) return ReadNextPart();
    current_ = files_.front();
    files_.pop_front();
    ReadCurrent();
  }

  void ReadCurrent() {
    pending_ = env_.disk.Open(
        Name(), env::Disk::OpenMode::kExisting,
        [this](absl::StatusOr<std::unique_ptr<env::File>> file) {
          if (!file.ok()) return OnUnreadable(file.status());
          file_ = *std::move(file);
          pending_ = file_->Size([this](absl::StatusOr<uint64_t> size) {
            if (!size.ok()) return OnUnreadable(size.status());
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
                               return OnUnreadable(bytes.status());
                             }
                             OnFooter(bytes->view(), size);
                           });
  }

  void OnFooter(std::string_view bytes, uint64_t size) {
    const auto footer = DecodeSnapshotFooter(bytes, size);
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
    pending_ = file_->Read(footer->data_bytes, footer->trailer_bytes,
                           [this, checked](absl::StatusOr<Buffer> trailer) {
                             if (!trailer.ok())
                               return OnUnreadable(trailer.status());
                             OnTrailer(trailer->view(), checked);
                           });
  }

  void OnTrailer(std::string_view bytes, const SnapshotFooter& footer) {
    auto trailer = DecodeSnapshotTrailer(bytes, footer);
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

  // A file that cannot be read in several attempts is damage to its group
  // alone.
  void OnUnreadable(const absl::Status& status) {
    if (!attempts_.MayRepeat(status)) return OnDamaged(status);
    AfterPause([this] { ReadCurrent(); });
  }

  void AfterPause(env::Callback repeat) {
    pending_ = env_.loop.At(env_.loop.ReadClock().mono + ReadAttempts::kPause,
                            std::move(repeat));
  }

  void OnDamaged(const absl::Status& status) {
    const bool says_more =
        absl::IsFailedPrecondition(status) || ReadAttempts::MayPass(status);
    damaged_[current_.group].push_back(
        {Name(), current_.position.index,
         absl::Status(says_more ? status.code() : absl::StatusCode::kDataLoss,
                      absl::StrCat(Name(), ": ", status.message()))});
    if (env_.tracer.Logs(env::Severity::kError)) {
      env_.tracer.Log(env::Severity::kError,
                      absl::StrCat("snapshot: ", Name(), " cannot be used: ",
                                   std::string(status.message())));
    }
    ReadNext();
  }

  // Reads how much of the snapshots that were being received is there.
  void ReadNextPart() {
    attempts_.Reset();
    if (received_.empty()) return RemoveSurplus();
    const std::string name = std::move(received_.back());
    received_.pop_back();
    ReadPart(name);
  }

  void ReadPart(const std::string& name) {
    pending_ = env_.disk.Open(
        SnapshotProgressName(name), env::Disk::OpenMode::kExisting,
        [this, name](absl::StatusOr<std::unique_ptr<env::File>> file) {
          if (!file.ok()) return OnPart(name, file.status());
          file_ = *std::move(file);
          pending_ = file_->Read(0, env::kDiskOperationBytesMax,
                                 [this, name](absl::StatusOr<Buffer> bytes) {
                                   OnPart(name, std::move(bytes));
                                 });
        });
  }

  void OnPart(const std::string& name, absl::StatusOr<Buffer> bytes) {
    if (!bytes.ok() && attempts_.MayRepeat(bytes.status())) {
      return AfterPause([this, name] { ReadPart(name); });
    }
    absl::StatusOr<SnapshotProgress> progress =
        absl::DataLossError("it cannot be read");
    if (bytes.ok()) progress = DecodeSnapshotProgress(bytes->view());
    if (!progress.ok() || !IsOf(name, *progress)) {
      AddSurplusPart(name);
      return ReadNextPart();
    }
    const GroupKey group = progress->header.group;
    const Index index = progress->header.descriptor.position.index;
    const auto newest = stored_.find(group);
    const auto other = parts_.find(group);
    if ((newest != stored_.end() &&
         newest->second.descriptor.position.index >= index) ||
        (other != parts_.end() &&
         other->second.progress.header.descriptor.position.index >= index)) {
      AddSurplusPart(name);
      return ReadNextPart();
    }
    if (other != parts_.end()) AddSurplusPart(other->second.staging_name);
    parts_[group] = {name, *std::move(progress)};
    ReadNextPart();
  }

  // Whether the progress is that of the file `name` in this store.
  bool IsOf(const std::string& name, const SnapshotProgress& progress) const {
    const SnapshotProgressHeader& header = progress.header;
    return header.cluster == options_.cluster &&
           header.store == options_.store && !progress.pieces.empty() &&
           name.starts_with(
               SnapshotName(header.group, header.descriptor.position));
  }

  void AddSurplusPart(const std::string& name) {
    surplus_.push_back(name);
    surplus_.push_back(SnapshotProgressName(name));
  }

  // Runs before the first write, since a new file may have the name of an old
  // one. A file that stays takes space, and the next start removes it.
  void RemoveSurplus() {
    if (surplus_.empty()) return Finish(absl::OkStatus());
    const std::string name = std::move(surplus_.back());
    surplus_.pop_back();
    pending_ = env_.disk.Remove(name, [this](const absl::Status& status) {
      if (!status.ok()) {
        env_.tracer.Log(
            env::Severity::kWarning,
            absl::StrCat("snapshot: a file that is not needed stays: ",
                         status.message()));
      }
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
        env_, options_, std::move(stored_), std::move(damaged_),
        std::move(parts_), stagings_begun_)));
  }

  env::Env& env_;
  const LogOptions options_;
  SnapshotStore::Opened opened_;
  env::Pending pending_;
  std::deque<SnapshotFileName> files_;
  SnapshotFileName current_;
  ReadAttempts attempts_;  // Those at the file that is being read.
  std::unique_ptr<env::File> file_;
  std::map<GroupKey, StoredSnapshot> stored_;
  std::map<GroupKey, std::vector<SnapshotStore::Damaged>> damaged_;
  std::vector<std::string> surplus_;
  std::vector<std::string> received_;  // Staging files with their progress.
  std::map<GroupKey, ReceivedPart> parts_;
  uint64_t stagings_begun_ = 0;  // The greatest number of a staging file.
};

}  // namespace

std::unique_ptr<AsyncTask> SnapshotStore::Open(env::Env& env,
                                               const LogOptions& options,
                                               Opened opened) {
  return std::make_unique<Opening>(env, options, std::move(opened));
}

}  // namespace quorate::raft
