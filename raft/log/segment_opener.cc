#include "raft/log/segment_opener.h"

#include "env/check.h"

namespace quorate::raft {

std::vector<std::vector<Buffer>> EncodeOpening(const SegmentOpening& opening,
                                               size_t write_bytes_max,
                                               std::vector<ByteRange>* copies) {
  const SegmentHeader& header = opening.header;
  const uint32_t seed =
      SegmentSeed(header.cluster, header.store, header.number);
  std::vector<std::vector<Buffer>> writes;
  SegmentOffset place{header.number, 0};
  BatchWriter writer;
  writer.Start(seed, place, header.previous, opening.write_number);
  writer.AddSegmentHeader(header);
  const auto add = [&](RecordType type, uint16_t flags, GroupKey key,
                       std::string_view body) {
    if (writer.size_bytes() + RecordBytes(body.size()) > write_bytes_max) {
      place.offset += writer.size_bytes();
      writes.push_back(writer.Take());
      writer.Start(seed, place, header.previous, opening.write_number);
    }
    const uint64_t begin = place.offset + writer.size_bytes();
    writer.Add(type, flags, key, body);
    return ByteRange{begin, place.offset + writer.size_bytes()};
  };
  for (const auto& [key, state] : opening.states) {
    add(RecordType::kState, 0, key, EncodeStateBody(state));
  }
  for (const UnconfirmedRecord& copy : opening.copies) {
    const ByteRange place_of_copy =
        add(copy.type, copy.flags, copy.key, copy.body);
    if (copies != nullptr) copies->push_back(place_of_copy);
  }
  add(RecordType::kOpened, 0, GroupKey{},
      EncodeOpenedBody(opening.states.size()));
  writes.push_back(writer.Take());
  return writes;
}

SegmentOpener::SegmentOpener(env::Disk& disk, const SegmentOpening& opening,
                             size_t write_bytes_max, std::string recycled,
                             Done done)
    : name_(SegmentName(opening.header.number)), done_(std::move(done)) {
  Encode(opening, write_bytes_max);
  if (recycled.empty()) {
    OpenFile(disk, env::Disk::OpenMode::kCreate);
    return;
  }
  pending_ = disk.Rename(recycled, name_, [this, &disk](absl::Status status) {
    if (!status.ok()) return Finish(status);
    OpenFile(disk, env::Disk::OpenMode::kExisting);
  });
}

SegmentOpener::SegmentOpener(std::unique_ptr<env::File> file,
                             const SegmentOpening& opening,
                             size_t write_bytes_max, Done done)
    : name_(SegmentName(opening.header.number)), done_(std::move(done)) {
  Encode(opening, write_bytes_max);
  opened_.file = std::move(file);
  WriteNext();
}

void SegmentOpener::Encode(const SegmentOpening& opening,
                           size_t write_bytes_max) {
  for (auto& write : EncodeOpening(opening, write_bytes_max, &opened_.copies)) {
    writes_.push_back(std::move(write));
  }
}

void SegmentOpener::OpenFile(env::Disk& disk, env::Disk::OpenMode mode) {
  pending_ = disk.Open(
      name_, mode, env::FileUse::kLog,
      [this, &disk](absl::StatusOr<std::unique_ptr<env::File>> file) {
        if (!file.ok()) return Finish(file.status());
        opened_.file = *std::move(file);
        // The directory is synced before the first write. Without this sync, a
        // renamed file may still have its old name after a crash and be part of
        // the chain.
        pending_ = disk.SyncDirectory([this](absl::Status status) {
          if (!status.ok()) return Finish(status);
          WriteNext();
        });
      });
}

void SegmentOpener::WriteNext() {
  if (writes_.empty()) return Finish(absl::OkStatus());
  uint64_t size = 0;
  for (const Buffer& piece : writes_.front()) size += piece.size();
  CHECK_LE(size, env::kDiskOperationBytesMax);
  pending_ = opened_.file->Write(opened_.end, writes_.front(),
                                 env::Durability::kDurable,
                                 [this, size](absl::Status status) {
                                   if (!status.ok()) return Finish(status);
                                   opened_.end += size;
                                   opened_.written_bytes += size;
                                   ++opened_.writes;
                                   writes_.pop_front();
                                   WriteNext();
                                 });
}

void SegmentOpener::Finish(absl::Status status) {
  Done done = std::move(done_);
  if (!status.ok()) return done(status);
  done(std::move(opened_));
}

}  // namespace quorate::raft
