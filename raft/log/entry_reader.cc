#include "raft/log/entry_reader.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "env/annotate.h"
#include "env/check.h"
#include "raft/log/record.h"

namespace quorate::raft {

absl::StatusOr<EntryList> FindEntries(const EntryRange& range,
                                      std::string_view bytes) {
  // The last record of an index counts. An append removes what is behind it.
  std::vector<Entry> entries;
  for (uint64_t offset = 0; offset < range.end - range.begin;) {
    RecordView view;
    if (CheckRecord(bytes, offset, range.segment_seed, &view, range.begin) !=
        RecordCheck::kGood) {
      return absl::DataLossError(absl::StrCat(
          "the record at byte ", range.begin + offset, " does not verify"));
    }
    offset += RecordBytes(view.header.body_bytes);
    const bool append = view.header.type == RecordType::kAppend;
    if (view.header.key != range.key ||
        (!append && view.header.type != RecordType::kRewrite)) {
      continue;
    }
    auto body = DecodeEntriesBody(view.header.flags, view.body);
    if (!body.ok()) return body.status();
    if (body->mismatch != Index()) {
      return absl::DataLossError(absl::StrCat("entry ", body->mismatch.value(),
                                              " does not match its checksum"));
    }
    if (append && !body->entries.empty()) {
      const Index from = std::max(body->entries.front().index, range.first);
      entries.erase(entries.begin() + static_cast<ptrdiff_t>(std::min<uint64_t>(
                                          from - range.first, entries.size())),
                    entries.end());
    }
    for (Entry& entry : body->entries) {
      if (entry.index < range.first) continue;
      const uint64_t at = entry.index - range.first;
      if (at > entries.size() || at >= range.count) break;
      if (at == entries.size()) {
        entries.push_back(std::move(entry));
      } else {
        entries[at] = std::move(entry);
      }
    }
  }
  if (range.under_way && entries.empty()) {
    return absl::NotFoundError("the log is writing the entry");
  }
  if (entries.size() != range.count && !range.under_way) {
    return absl::DataLossError(
        absl::StrCat("entries from ", (range.first + entries.size()).value(),
                     " on are missing"));
  }
  return EntryList(std::move(entries));
}

EntryReader::EntryReader(env::Disk& disk, std::vector<EntryRange> ranges,
                         Done done)
    : ranges_(std::move(ranges)), done_(std::move(done)) {
  CHECK(!ranges_.empty());
  begin_ = ranges_.front().begin;
  for (const EntryRange& range : ranges_) {
    CHECK_GE(range.begin, begin_);
    end_ = std::max(end_, range.end);
  }
  CHECK_LE(end_ - begin_, env::kDiskOperationBytesMax);
  pending_ = disk.Open(SegmentName(ranges_.front().segment),
                       env::Disk::OpenMode::kExisting,
                       [this](absl::StatusOr<std::unique_ptr<env::File>> file) {
                         OnOpened(std::move(file));
                       });
}

void EntryReader::OnOpened(absl::StatusOr<std::unique_ptr<env::File>> file) {
  if (!file.ok()) return Finish(file.status());
  file_ = *std::move(file);
  pending_ = file_->Read(
      begin_, end_ - begin_,
      [this](absl::StatusOr<Buffer> read) { OnRead(std::move(read)); });
}

void EntryReader::OnRead(absl::StatusOr<Buffer> read) {
  if (!read.ok()) return Finish(read.status());
  std::vector<EntryList> found;
  found.reserve(ranges_.size());
  for (const EntryRange& range : ranges_) {
    const size_t offset =
        std::min<size_t>(range.begin - begin_, read->view().size());
    auto entries = FindEntries(
        range, read->view().substr(offset, range.end - range.begin));
    if (!entries.ok()) return Finish(entries.status());
    found.push_back(*std::move(entries));
  }
  Finish(std::move(found));
}

void EntryReader::Finish(Result result) {
  file_.reset();
  if (!result.ok()) {
    result = Annotate(result.status(), SegmentName(ranges_.front().segment));
  }
  Done done = std::move(done_);
  done(std::move(result));
}

}  // namespace quorate::raft
