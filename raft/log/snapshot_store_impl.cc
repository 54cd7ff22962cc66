#include "raft/log/snapshot_store_impl.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "env/check.h"
#include "raft/core/configuration.h"

namespace quorate::raft {
namespace {

// Size limit of one Read, so that it is one disk operation.
constexpr size_t kReadBytesMax = 4 << 20;

uint64_t RoundUp(uint64_t value, uint64_t unit) {
  return (value + unit - 1) / unit * unit;
}

absl::Status NotBegun(const char* what) {
  return absl::FailedPreconditionError(
      absl::StrCat("no snapshot is being ", what));
}

absl::Status Superseded(const SnapshotDescriptor& newest) {
  return absl::FailedPreconditionError(
      absl::StrCat("a newer snapshot, at index ", newest.position.index.value(),
                   ", is here already"));
}

}  // namespace

SnapshotStoreImpl::SnapshotStoreImpl(
    env::Env& env, const LogOptions& options,
    std::map<GroupKey, StoredSnapshot> stored,
    std::map<GroupKey, std::vector<Damaged>> damaged,
    std::map<GroupKey, ReceivedPart> parts, uint64_t stagings_begun)
    : env_(env),
      disk_(env.disk),
      tracer_(env.tracer),
      remover_(env, "snapshot"),
      room_{.reserve_bytes = std::min<uint64_t>(options.segment_bytes,
                                                env::kDiskOperationBytesMax),
            .make = [this] { return MakeRoom(); }},
      options_(options),
      damaged_(std::move(damaged)),
      parts_(std::move(parts)),
      stagings_begun_(stagings_begun),
      callbacks_(env.loop) {
  for (auto& [group, snapshot] : stored) {
    newest_[group] = snapshot.descriptor;
    stored_[group].stored = std::move(snapshot);
  }
}

template <typename Callback, typename Value>
void SnapshotStoreImpl::CallLater(Callback done, Value value) {
  callbacks_.Add([done = std::move(done), value = std::move(value)]() mutable {
    done(std::move(value));
  });
}

SnapshotStoreImpl::Staging& SnapshotStoreImpl::StartWriting(
    GroupKey group, const SnapshotDescriptor& descriptor) {
  Discard(writing_, group);
  Staging& staging = writing_[group];
  staging.number = ++stagings_begun_;
  // A name is used once: a late write to a discarded file cannot change the
  // next file.
  staging.file = std::make_unique<SnapshotStaging>(
      env_, options_, group, descriptor,
      absl::StrCat(SnapshotName(group, descriptor.position), ".w",
                   staging.number),
      PaceOf(env::BulkKind::kSnapshotWrite), SnapshotStaging::Origin::kOwn,
      remover_, room_);
  return staging;
}

SnapshotStaging::Pace SnapshotStoreImpl::PaceOf(env::BulkKind kind) {
  return [this, kind](uint64_t bytes) {
    if (pace_ == nullptr) return MonoTime::Min();
    const bool own = kind == env::BulkKind::kSnapshotWrite;
    return pace_->Reserve(kind, bytes, own ? haste_() : 1);
  };
}

SnapshotStoreImpl::Staging& SnapshotStoreImpl::StartReceiving(
    GroupKey group, const SnapshotDescriptor& descriptor) {
  Discard(receiving_, group);
  Staging& staging = receiving_[group];
  staging.number = ++stagings_begun_;
  const auto part = parts_.find(group);
  const bool resumes = part != parts_.end() &&
                       part->second.progress.header.descriptor == descriptor;
  if (!resumes) RemovePart(group);
  staging.file = std::make_unique<SnapshotStaging>(
      env_, options_, group, descriptor,
      resumes ? part->second.staging_name
              : absl::StrCat(SnapshotName(group, descriptor.position), ".r",
                             staging.number),
      PaceOf(env::BulkKind::kSnapshotReceive),
      SnapshotStaging::Origin::kReceived, remover_, room_);
  const auto begun = [this, group, number = staging.number,
                      resumes](absl::Status status) {
    if (!status.ok()) return Discard(receiving_, group, number);
    if (resumes && receiving_.at(group).file->checksums().size_bytes() > 0) {
      tracer_.Sometimes("raft.snapshot_transfer_resumed");
    }
  };
  if (resumes) {
    staging.file->Resume(part->second.progress, begun);
    parts_.erase(part);
  } else {
    staging.file->Create(begun);
  }
  return staging;
}

void SnapshotStoreImpl::RemovePart(GroupKey group) {
  const auto part = parts_.find(group);
  if (part == parts_.end()) return;
  remover_.Remove(part->second.staging_name);
  remover_.Remove(SnapshotProgressName(part->second.staging_name));
  parts_.erase(part);
}

bool SnapshotStoreImpl::MakeRoom() {
  const bool any_part = !parts_.empty();
  while (!parts_.empty()) RemovePart(parts_.begin()->first);
  return (give_back_ != nullptr && give_back_()) || any_part;
}

void SnapshotStoreImpl::DiscardReceived(GroupKey group) {
  Discard(receiving_, group);
  RemovePart(group);
}

void SnapshotStoreImpl::Discard(Stagings& stagings, GroupKey group,
                                uint64_t number) {
  const auto found = stagings.find(group);
  if (found == stagings.end()) return;
  if (number != 0 && number != found->second.number) return;
  Staging staging = std::move(found->second);
  stagings.erase(found);
  if (staging.file->naming() && staging.file->status().ok()) {
    return DiscardNamed(group, std::move(staging));
  }
  RemoveFiles(group, *staging.file);
}

void SnapshotStoreImpl::RemoveFiles(GroupKey group,
                                    const SnapshotStaging& file) {
  remover_.Remove(file.staging_name());
  if (file.has_progress()) {
    remover_.Remove(SnapshotProgressName(file.staging_name()));
  }
  const LogPosition position = file.descriptor().position;
  // A renaming that was reported as failed may have been carried out.
  if (file.committing() && !IsInUse(group, position)) {
    remover_.Remove(SnapshotName(group, position));
  }
}

// A removal would not wait for the creation or renaming of its file.
void SnapshotStoreImpl::DiscardNamed(GroupKey group, Staging staging) {
  Discarded& discarded = discarded_[staging.number];
  discarded = {group, std::move(staging.file)};
  discarded.file->EndNaming(
      [this, group, number = staging.number](absl::Status) {
        const Discarded ended = std::move(discarded_.extract(number).mapped());
        RemoveFiles(group, *ended.file);
        EndDrops(group);
      });
}

bool SnapshotStoreImpl::IsInUse(GroupKey group, LogPosition position) const {
  const auto newest = newest_.find(group);
  if (newest != newest_.end() && newest->second.position == position) {
    return true;
  }
  const auto replaced = replaced_.find(group);
  if (replaced != replaced_.end() &&
      replaced->second.stored.descriptor.position == position) {
    return true;
  }
  for (const Stagings* stagings : {&writing_, &receiving_}) {
    const auto found = stagings->find(group);
    if (found != stagings->end() &&
        found->second.file->descriptor().position == position) {
      return true;
    }
  }
  return false;
}

void SnapshotStoreImpl::Install(Stagings& stagings, GroupKey group) {
  const SnapshotStaging& staging = *stagings.at(group).file;
  const auto old = newest_.find(group);
  if (old != newest_.end() &&
      old->second.position != staging.descriptor().position) {
    const auto kept = kept_.find(group);
    if (kept != kept_.end() && kept->second == old->second.position) {
      replaced_[group] = std::move(stored_.at(group));
      tracer_.Sometimes("raft.snapshot_kept_for_a_transfer");
    } else {
      remover_.Remove(SnapshotName(group, old->second.position));
    }
  }
  stored_[group] = {{staging.descriptor(), staging.checksums().blocks()}, {}};
  newest_[group] = staging.descriptor();
  damaged_.erase(group);
  if (staging.has_progress()) {
    remover_.Remove(SnapshotProgressName(staging.staging_name()));
  }
  const auto part = parts_.find(group);
  if (part != parts_.end() &&
      part->second.progress.header.descriptor.position.index <=
          staging.descriptor().position.index) {
    RemovePart(group);
  }
  stagings.erase(group);
}

void SnapshotStoreImpl::Keep(GroupKey group, LogPosition position) {
  if (position == LogPosition()) {
    kept_.erase(group);
  } else {
    kept_[group] = position;
  }
  const auto replaced = replaced_.find(group);
  if (replaced == replaced_.end()) return;
  const LogPosition there = replaced->second.stored.descriptor.position;
  if (there == position) return;
  // A read that runs holds the file open.
  remover_.Remove(SnapshotName(group, there));
  replaced_.erase(replaced);
}

ReadableSnapshot* SnapshotStoreImpl::Find(GroupKey group,
                                          LogPosition position) {
  for (auto* snapshots : {&stored_, &replaced_}) {
    const auto found = snapshots->find(group);
    if (found != snapshots->end() &&
        found->second.stored.descriptor.position == position) {
      return &found->second;
    }
  }
  return nullptr;
}

void SnapshotStoreImpl::Begin(GroupKey group,
                              const SnapshotDescriptor& descriptor, Done done) {
  const absl::Status valid = ValidateConfiguration(descriptor.configuration);
  if (!valid.ok()) return CallLater(std::move(done), valid);
  Staging& staging = StartWriting(group, descriptor);
  staging.file->Create([this, group, number = staging.number,
                        done = std::move(done)](absl::Status status) mutable {
    if (!status.ok()) Discard(writing_, group, number);
    done(status);
  });
}

void SnapshotStoreImpl::Append(GroupKey group, Buffer piece, Done done) {
  const auto found = writing_.find(group);
  if (found == writing_.end()) {
    return CallLater(std::move(done), NotBegun("written"));
  }
  found->second.file->Append(
      std::move(piece), [this, group, number = found->second.number,
                         done = std::move(done)](absl::Status status) mutable {
        if (!status.ok()) Discard(writing_, group, number);
        done(status);
      });
}

void SnapshotStoreImpl::Finish(GroupKey group, DescriptorDone done) {
  const auto found = writing_.find(group);
  if (found == writing_.end()) {
    return CallLater(std::move(done),
                     absl::StatusOr<SnapshotDescriptor>(NotBegun("written")));
  }
  const auto newest = newest_.find(group);
  if (newest != newest_.end() &&
      newest->second.position.index >
          found->second.file->descriptor().position.index) {
    Discard(writing_, group);
    return CallLater(std::move(done), absl::StatusOr<SnapshotDescriptor>(
                                          Superseded(newest->second)));
  }
  found->second.file->Finish(
      [this, group, number = found->second.number,
       done = std::move(done)](absl::Status status) mutable {
        if (!status.ok()) {
          Discard(writing_, group, number);
          return done(status);
        }
        Install(writing_, group);
        const SnapshotDescriptor descriptor = newest_.at(group);
        done(descriptor);
      });
}

void SnapshotStoreImpl::Abandon(GroupKey group) { Discard(writing_, group); }

void SnapshotStoreImpl::Receive(
    GroupKey group, const SnapshotDescriptor& descriptor, uint64_t offset,
    Buffer chunk, absl::AnyInvocable<void(absl::StatusOr<uint64_t>)> done) {
  using Answer = absl::StatusOr<uint64_t>;
  const absl::Status valid = ValidateConfiguration(descriptor.configuration);
  if (!valid.ok()) return CallLater(std::move(done), Answer(valid));
  if (offset > descriptor.size_bytes ||
      chunk.size() > descriptor.size_bytes - offset ||
      chunk.size() > env::kDiskOperationBytesMax) {
    return CallLater(
        std::move(done),
        Answer(absl::InvalidArgumentError(absl::StrCat(
            "a chunk of ", chunk.size(), " bytes at ", offset,
            " does not fit a snapshot of ", descriptor.size_bytes))));
  }
  auto found = receiving_.find(group);
  if (found == receiving_.end() ||
      found->second.file->descriptor() != descriptor) {
    StartReceiving(group, descriptor);
    found = receiving_.find(group);
  }
  SnapshotStaging& staging = *found->second.file;
  if (staging.resuming()) {
    return staging.Wait(
        [this, group, done = std::move(done)](absl::Status status) mutable {
          if (!status.ok()) return done(Answer(status));
          done(Answer(receiving_.at(group).file->checksums().size_bytes()));
        });
  }
  const uint64_t there = staging.checksums().size_bytes();
  if (offset != there || chunk.empty()) {
    return CallLater(std::move(done), Answer(there));
  }
  const uint64_t end = there + chunk.size();
  staging.Append(std::move(chunk),
                 [this, group, number = found->second.number, end,
                  done = std::move(done)](absl::Status status) mutable {
                   if (status.ok()) return done(Answer(end));
                   Discard(receiving_, group, number);
                   done(Answer(status));
                 });
}

void SnapshotStoreImpl::FinishReceive(GroupKey group,
                                      const SnapshotDescriptor& descriptor,
                                      Done done) {
  const auto newest = newest_.find(group);
  if (newest != newest_.end() && newest->second == descriptor) {
    // The call was repeated.
    Discard(receiving_, group);
    return CallLater(std::move(done), absl::OkStatus());
  }
  const auto found = receiving_.find(group);
  if (found == receiving_.end() ||
      found->second.file->descriptor() != descriptor) {
    return CallLater(std::move(done), NotBegun("received from there"));
  }
  const SnapshotChecksums& checksums = found->second.file->checksums();
  absl::Status refusal;
  if (checksums.size_bytes() != descriptor.size_bytes ||
      checksums.crc32c() != descriptor.crc32c) {
    refusal = absl::DataLossError(absl::StrCat(
        "the received snapshot does not verify: ", checksums.size_bytes(),
        " of ", descriptor.size_bytes, " bytes, checksum ", checksums.crc32c(),
        " instead of ", descriptor.crc32c));
  } else if (newest != newest_.end() &&
             newest->second.position.index > descriptor.position.index) {
    refusal = Superseded(newest->second);
  }
  if (!refusal.ok()) {
    Discard(receiving_, group);
    return CallLater(std::move(done), refusal);
  }
  found->second.file->Finish(
      [this, group, number = found->second.number,
       done = std::move(done)](absl::Status status) mutable {
        if (status.ok()) {
          Install(receiving_, group);
        } else {
          Discard(receiving_, group, number);
        }
        done(status);
      });
}

void SnapshotStoreImpl::Read(GroupKey group, LogPosition position,
                             uint64_t offset, size_t size, ReadDone done) {
  using Answer = absl::StatusOr<Buffer>;
  const ReadableSnapshot* const found = Find(group, position);
  if (found == nullptr) {
    return CallLater(std::move(done),
                     Answer(absl::NotFoundError(absl::StrCat(
                         "no snapshot at index ", position.index.value()))));
  }
  const StoredSnapshot& stored = found->stored;
  const uint64_t total = stored.descriptor.size_bytes;
  if (offset >= total || size == 0) {
    return CallLater(std::move(done), Answer(Buffer()));
  }
  const uint64_t id = ++readings_begun_;
  Reading& reading = readings_[id];
  reading.group = group;
  reading.offset = offset;
  reading.size = std::min<uint64_t>({size, kReadBytesMax, total - offset});
  reading.first_block = offset / kSnapshotBlockBytes;
  const uint64_t block_end =
      RoundUp(offset + reading.size, kSnapshotBlockBytes) / kSnapshotBlockBytes;
  reading.snapshot.descriptor = stored.descriptor;
  reading.snapshot.blocks.assign(stored.blocks.begin() + reading.first_block,
                                 stored.blocks.begin() + block_end);
  reading.done = std::move(done);
  if (found->file != nullptr) {
    reading.file = found->file;
    return ReadBlocks(id);
  }
  reading.pending = disk_.Open(
      SnapshotName(group, position), env::Disk::OpenMode::kExisting,
      [this, id](absl::StatusOr<std::unique_ptr<env::File>> file) {
        if (!file.ok()) return EndReading(id, file.status());
        Reading& reading = readings_.at(id);
        reading.file = std::shared_ptr<env::File>(*std::move(file));
        ReadableSnapshot* const snapshot =
            Find(reading.group, reading.snapshot.descriptor.position);
        if (snapshot != nullptr &&
            snapshot->stored.descriptor == reading.snapshot.descriptor) {
          snapshot->file = reading.file;
        }
        ReadBlocks(id);
      });
}

void SnapshotStoreImpl::ReadBlocks(uint64_t id) {
  Reading& reading = readings_.at(id);
  const uint64_t begin = reading.first_block * kSnapshotBlockBytes;
  const uint64_t end = std::min<uint64_t>(
      begin + reading.snapshot.blocks.size() * kSnapshotBlockBytes,
      reading.snapshot.descriptor.size_bytes);
  reading.pending = reading.file->Read(
      begin, end - begin, [this, id](absl::StatusOr<Buffer> bytes) {
        OnBlocks(id, std::move(bytes));
      });
}

void SnapshotStoreImpl::OnBlocks(uint64_t id, absl::StatusOr<Buffer> bytes) {
  if (!bytes.ok()) return EndReading(id, bytes.status());
  const Reading& reading = readings_.at(id);
  const SnapshotDescriptor& descriptor = reading.snapshot.descriptor;
  const uint64_t begin = reading.first_block * kSnapshotBlockBytes;
  for (size_t i = 0; i < reading.snapshot.blocks.size(); ++i) {
    const uint64_t number = reading.first_block + i;
    const size_t block_bytes = std::min<uint64_t>(
        kSnapshotBlockBytes,
        descriptor.size_bytes - number * kSnapshotBlockBytes);
    const size_t at = i * kSnapshotBlockBytes;
    if (bytes->size() < at + block_bytes ||
        SnapshotBlockCrc(reading.group, descriptor.position, number,
                         bytes->view().substr(at, block_bytes)) !=
            reading.snapshot.blocks[i]) {
      return EndReading(
          id, absl::DataLossError(
                  absl::StrCat("block ", number, " of ",
                               SnapshotName(reading.group, descriptor.position),
                               " does not verify")));
    }
  }
  const Buffer slice = bytes->Slice(reading.offset - begin, reading.size);
  EndReading(id, slice);
}

void SnapshotStoreImpl::EndReading(uint64_t id, absl::StatusOr<Buffer> result) {
  ReadDone done = std::move(readings_.at(id).done);
  readings_.erase(id);
  done(std::move(result));
}

void SnapshotStoreImpl::Drop(GroupKey group, Done done) {
  Discard(writing_, group);
  DiscardReceived(group);
  Keep(group, LogPosition());
  const auto found = newest_.find(group);
  if (found != newest_.end()) {
    remover_.Remove(SnapshotName(group, found->second.position));
  }
  newest_.erase(group);
  stored_.erase(group);
  const auto damaged = damaged_.find(group);
  if (damaged != damaged_.end()) {
    for (Damaged& file : damaged->second) remover_.Remove(file.name);
    damaged_.erase(damaged);
  }
  drops_.emplace(group, std::move(done));
  EndDrops(group);
}

void SnapshotStoreImpl::EndDrops(GroupKey group) {
  for (const auto& [number, discarded] : discarded_) {
    if (discarded.group == group) return;
  }
  const auto [begin, end] = drops_.equal_range(group);
  for (auto it = begin; it != end; ++it) {
    remover_.SyncDirectory(std::move(it->second));
  }
  drops_.erase(begin, end);
}

std::vector<GroupKey> SnapshotStoreImpl::groups() const {
  std::set<GroupKey> groups;
  for (const auto& [key, snapshot] : newest_) groups.insert(key);
  for (const auto& [key, damaged] : damaged_) groups.insert(key);
  for (const auto& [key, part] : parts_) groups.insert(key);
  return {groups.begin(), groups.end()};
}

}  // namespace quorate::raft
