#include "raft/log/recovery.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "env/annotate.h"
#include "env/check.h"
#include "raft/log/files/ballast.h"
#include "raft/log/snapshot_format.h"

namespace quorate::raft {
namespace {

constexpr uint64_t kSegmentBytesMin = 16 << 10;
constexpr uint64_t kSegmentBytesMax = 1 << 30;
constexpr size_t kBatchBytesMax = 6 << 20;
// With more unreadable pages the disk is failing, and the start fails.
constexpr size_t kUnreadablePagesMax = (1 << 20) / kUnreadablePageBytes;

LogOptions Clamped(LogOptions options) {
  options.segment_bytes =
      std::clamp(options.segment_bytes, kSegmentBytesMin, kSegmentBytesMax);
  options.batch_bytes_max =
      std::clamp<size_t>(options.batch_bytes_max, 4096, kBatchBytesMax);
  options.group_bytes_max = std::clamp<size_t>(options.group_bytes_max, 1024,
                                               options.batch_bytes_max);
  return options;
}

// `bytes`, with zeros up to `size` if the file was truncated from outside.
// Zeros do not verify.
Buffer Padded(Buffer bytes, uint64_t size) {
  if (bytes.size() >= size) return bytes;
  std::string padded(bytes.view());
  padded.resize(size);
  return Buffer::Take(std::move(padded));
}

}  // namespace

Recovery::Recovery(env::Env& env, const LogOptions& options, Log::Opened opened)
    : env_(env), options_(Clamped(options)), opened_(std::move(opened)) {
  pending_ =
      env_.disk.List([this](absl::StatusOr<std::vector<std::string>> names) {
        OnListed(std::move(names));
      });
}

void Recovery::Fail(absl::Status status) {
  Log::Opened opened = std::move(opened_);
  opened(Annotate(status, "cannot open the log"));
}

void Recovery::OnListed(absl::StatusOr<std::vector<std::string>> names) {
  if (!names.ok()) return Fail(names.status());
  for (const std::string& name : *names) {
    const auto snapshot = ParseSnapshotName(name);
    if (snapshot.has_value() && snapshot->staging) {
      const std::string partner = PartnerOfReceived(name);
      const bool resumes =
          !partner.empty() &&
          std::binary_search(names->begin(), names->end(), partner);
      (resumes ? received_ : leftovers_).push_back(name);
    }
    has_ballast_ |= name == kBallastName;
    has_end_mark_ |= name == kEndMarkName;
    const uint64_t number = ParseSegmentName(name);
    if (number == 0) continue;
    files_[number];
    heads_left_.push_back(number);
  }
  if (files_.empty()) {
    return Fail(absl::DataLossError(
        "all its files (log-*) are missing although the store was created; "
        "put these very files back if they were moved. If they are lost, so is "
        "the directory"));
  }
  ReadNextHead();
}

void Recovery::ReadNextHead() {
  if (heads_left_.empty()) return ReadEndMark();
  const uint64_t number = heads_left_.back();
  heads_left_.pop_back();
  pending_ = env_.disk.Open(
      SegmentName(number), env::Disk::OpenMode::kExisting,
      [this, number](absl::StatusOr<std::unique_ptr<env::File>> file) {
        if (!file.ok()) return Fail(file.status());
        file_ = *std::move(file);
        pending_ = file_->Size([this, number](absl::StatusOr<uint64_t> size) {
          if (!size.ok()) return Fail(size.status());
          const uint64_t bytes = *size;
          pending_ =
              file_->Read(0, kSegmentHeaderBytes,
                          [this, number, bytes](absl::StatusOr<Buffer> head) {
                            OnHead(number, bytes, std::move(head));
                          });
        });
      });
}

void Recovery::OnHead(uint64_t number, uint64_t bytes,
                      absl::StatusOr<Buffer> head) {
  FileHead& file = files_[number];
  file.bytes = bytes;
  // The page is read again with the rest of the file.
  if (IsUnreadable(head.status())) {
    read_error_ = head.status();
    return ReadNextHead();
  }
  if (!head.ok()) return Fail(Annotate(head.status(), SegmentName(number)));
  file.head_read = true;
  const auto header = DecodeSegmentHeader(head->view());
  if (absl::IsFailedPrecondition(header.status())) {
    return Fail(Annotate(header.status(), SegmentName(number)));
  }
  if (header.ok()) {
    if (header->cluster != options_.cluster ||
        header->store != options_.store) {
      return Fail(absl::FailedPreconditionError(absl::StrCat(
          SegmentName(number), " belongs to store ", header->store.value(),
          " of cluster ", header->cluster.value(), ", this is store ",
          options_.store.value(), " of cluster ", options_.cluster.value(),
          "; put it back where it came from")));
    }
    // A file that was renamed to be recycled, but not yet overwritten, has the
    // header of its former number.
    file.header_ok = header->number == number;
    file.header = *header;
  }
  ReadNextHead();
}

void Recovery::ReadEndMark() {
  if (!has_end_mark_) return FindLast();
  pending_ = env_.disk.Open(
      kEndMarkName, env::Disk::OpenMode::kExisting,
      [this](absl::StatusOr<std::unique_ptr<env::File>> file) {
        if (!file.ok()) return Fail(Annotate(file.status(), kEndMarkName));
        file_ = *std::move(file);
        pending_ = file_->Read(0, kEndMarkBytes + 1,
                               [this](absl::StatusOr<Buffer> bytes) {
                                 OnEndMark(std::move(bytes));
                               });
      });
}

void Recovery::OnEndMark(absl::StatusOr<Buffer> bytes) {
  file_.reset();
  if (!bytes.ok() && !IsUnreadable(bytes.status())) {
    return Fail(Annotate(bytes.status(), kEndMarkName));
  }
  const absl::StatusOr<SegmentOffset> end =
      bytes.ok()
          ? DecodeEndMark(options_.cluster, options_.store, bytes->view())
          : bytes.status();
  if (end.ok()) {
    end_mark_ = *end;
  } else if (env_.tracer.Logs(env::Severity::kError)) {
    env_.tracer.Log(
        env::Severity::kError,
        absl::StrCat("log: the file '", std::string(kEndMarkName),
                     "' is damaged (", end.status().message(),
                     "), so this start does not notice if the log lost its "
                     "end. Check the disk"));
  }
  FindLast();
}

void Recovery::ReadWhole(uint64_t number, uint64_t limit,
                         absl::AnyInvocable<void()> next,
                         absl::AnyInvocable<absl::Status()> meanwhile) {
  next_ = std::move(next);
  bytes_ = Buffer();
  limit = std::min(limit, files_[number].bytes);
  pending_ = env_.disk.Open(
      SegmentName(number), env::Disk::OpenMode::kExisting,
      [this, number, limit, meanwhile = std::move(meanwhile)](
          absl::StatusOr<std::unique_ptr<env::File>> file) mutable {
        if (!file.ok()) return Fail(file.status());
        reader_ = std::make_unique<SegmentReader>(
            *std::move(file), limit,
            [this, number](absl::StatusOr<SegmentReader::Result> read) {
              OnRead(number, std::move(read));
            });
        if (meanwhile == nullptr) return;
        if (const absl::Status status = meanwhile(); !status.ok()) {
          reader_.reset();
          Fail(status);
        }
      });
}

void Recovery::OnRead(uint64_t number,
                      absl::StatusOr<SegmentReader::Result> read) {
  reader_.reset();
  if (!read.ok()) return Fail(Annotate(read.status(), SegmentName(number)));
  bytes_ = std::move(read->bytes);
  if (!files_[number].head_read &&
      (read->unreadable.empty() || read->unreadable.front() != 0)) {
    return Fail(Annotate(read_error_, SegmentName(number)));
  }
  if (!read->unreadable.empty()) {
    read_error_ = read->error;
    unreadable_[number] = read->unreadable;
  }
  // The first page that could be read.
  uint64_t page = 0;
  for (const uint64_t offset : read->unreadable) {
    page += offset == page ? kUnreadablePageBytes : 0;
  }
  if (page < bytes_.size()) readable_page_ = {number, page};
  std::exchange(next_, nullptr)();
}

void Recovery::FenceForUnreadable(uint64_t number) {
  const auto found = unreadable_.find(number);
  if (found == unreadable_.end()) return;
  for (const uint64_t offset : found->second) {
    // One write at a time is not confirmed by a later record.
    if (number == last_ &&
        (offset + kUnreadablePageBytes <= unconfirmed_from_ ||
         offset > unconfirmed_from_ + env::kDiskOperationBytesMax)) {
      continue;
    }
    fences_.push_back(absl::StrCat("bytes ", offset, " to ",
                                   offset + kUnreadablePageBytes, " of ",
                                   SegmentName(number), " cannot be read"));
    return;
  }
}

void Recovery::CheckUnreadable() {
  if (unreadable_.empty()) return RemoveLeftovers();
  if (readable_page_.segment == 0) return Fail(read_error_);
  for (const auto& [number, pages] : unreadable_) {
    for (const uint64_t offset : pages) {
      if (pages_left_.size() >= kUnreadablePagesMax) {
        return Fail(Annotate(read_error_, "more than 1 MiB cannot be read"));
      }
      pages_left_.push_back({{number, offset}, false});
      if (env_.tracer.Logs(env::Severity::kError)) {
        env_.tracer.Log(env::Severity::kError,
                        absl::StrCat("log: bytes ", offset, " to ",
                                     offset + kUnreadablePageBytes, " of ",
                                     SegmentName(number), " cannot be read: ",
                                     read_error_.message()));
      }
    }
  }
  pages_left_.push_back({readable_page_, true});
  CheckNextPage();
}

void Recovery::CheckNextPage() {
  if (pages_left_.empty()) {
    env_.tracer.Sometimes("log.unreadable_page");
    return RemoveLeftovers();
  }
  const Page page = pages_left_.back();
  pages_left_.pop_back();
  pending_ = env_.disk.Open(
      SegmentName(page.place.segment), env::Disk::OpenMode::kExisting,
      [this, page](absl::StatusOr<std::unique_ptr<env::File>> file) {
        if (!file.ok()) return Fail(file.status());
        file_ = *std::move(file);
        pending_ = file_->Read(page.place.offset, kUnreadablePageBytes,
                               [this, page](absl::StatusOr<Buffer> read) {
                                 file_.reset();
                                 if (read.ok() != page.readable)
                                   return Fail(read_error_);
                                 CheckNextPage();
                               });
      });
}

void Recovery::FindLast() {
  for (const auto& [number, file] : files_) candidates_.push_back(number);
  OnLastCandidate();
}

// The last segment is the newest one with a complete opening. Before its
// opening was complete, nothing in it was acknowledged.
void Recovery::OnLastCandidate() {
  if (candidates_.empty() && !unreadable_.empty()) return Fail(read_error_);
  if (candidates_.empty()) {
    return Fail(absl::DataLossError(
        "none of its segments can be read from the beginning: the directory is "
        "lost"));
  }
  const uint64_t number = candidates_.back();
  candidates_.pop_back();
  ReadWhole(number, ~uint64_t{0}, [this, number] {
    const uint32_t seed = SegmentSeed(options_.cluster, options_.store, number);
    last_bytes_ = std::move(bytes_);
    if (number == end_mark_.segment) {
      last_bytes_ = Padded(std::move(last_bytes_), end_mark_.offset);
    }
    last_scan_ = ScanSegment(last_bytes_.view(), number, seed);
    const FileHead& file = files_[number];
    if (last_scan_.synced == 0 && (last_scan_.opened == 0 || !file.header_ok)) {
      // A file that begins with another header, or with none, was not opened.
      if (!file.head_read || file.header_ok) FenceForUnreadable(number);
      return OnLastCandidate();
    }
    last_ = number;
    BuildChain();
  });
}

// If the record before the mark is lost, those behind it may be lost as well.
void Recovery::CompareWithEndMark() {
  if (last_ < end_mark_.segment) {
    fences_.push_back(absl::StrCat(
        SegmentName(end_mark_.segment), ", which was durable up to byte ",
        end_mark_.offset, ", is missing, or has lost its beginning"));
  } else if (last_ == end_mark_.segment &&
             unconfirmed_from_ < end_mark_.offset) {
    unconfirmed_from_ = end_mark_.offset;
    const bool whole = std::ranges::any_of(
        last_scan_.records, [this](const ScannedRecord& record) {
          return record.kind == ScannedRecord::Kind::kGood &&
                 record.end == end_mark_.offset;
        });
    if (whole) return;
    fences_.push_back(absl::StrCat(SegmentName(last_),
                                   ", which was durable up to byte ",
                                   end_mark_.offset, ", has lost its end"));
  }
}

void Recovery::BuildChain() {
  // Records before the largest synced offset are confirmed by a later record,
  // and those before the end mark by the mark. If there is no such offset, the
  // whole segment is unconfirmed.
  last_header_ok_ = files_[last_].header_ok;
  unconfirmed_from_ = last_scan_.synced;
  CompareWithEndMark();
  write_number_ = last_scan_.write_number_max;
  uint64_t number = last_;
  while (true) {
    const FileHead& file = files_[number];
    SegmentOffset previous = file.header.previous;
    if (!file.header_ok) {
      // The header is lost, so the predecessor is the next lower file, up to
      // its end.
      const auto it = files_.find(number);
      previous = it == files_.begin()
                     ? SegmentOffset{}
                     : SegmentOffset{std::prev(it)->first, ~uint64_t{0}};
    }
    const auto found = files_.find(previous.segment);
    if (found == files_.end() || previous.segment >= number) break;
    // The file was recycled under a new number and that renaming was lost. Its
    // entries were not needed any more.
    if (!found->second.header_ok && found->second.header.number != 0) break;
    chain_.push_back(previous);
    number = previous.segment;
  }
  previous_ = unconfirmed_from_ > 0 ? SegmentOffset{last_, unconfirmed_from_}
              : chain_.empty()      ? SegmentOffset{}
                                    : chain_.front();
  ReplayNext();
}

void Recovery::ReplayNext() {
  if (chain_.empty()) {
    absl::Status replayed = ReplayRead();
    if (replayed.ok()) {
      replayed = replay_.AddLast(last_, last_scan_, unconfirmed_from_,
                                 last_header_ok_);
    }
    return OnReplayed(std::move(replayed));
  }
  const SegmentOffset place = chain_.back();
  chain_.pop_back();
  ReadWhole(
      place.segment, place.offset,
      [this, place] {
        read_ = {place, std::exchange(bytes_, Buffer())};
        ReplayNext();
      },
      /*meanwhile=*/[this] { return ReplayRead(); });
}

absl::Status Recovery::ReplayRead() {
  auto [place, bytes] = std::exchange(read_, ReadSegment());
  if (place.segment == 0) return absl::OkStatus();
  if (place.offset != ~uint64_t{0}) {
    bytes = Padded(std::move(bytes), place.offset);
  }
  const uint64_t number = place.segment;
  const Scan scan =
      ScanSegment(bytes.view(), number,
                  SegmentSeed(options_.cluster, options_.store, number));
  write_number_ = std::max(write_number_, scan.write_number_max);
  state_.AddSegment(number, files_[number].bytes);
  return replay_.AddClosed(number, scan, files_[number].header_ok);
}

void Recovery::OnReplayed(absl::Status status) {
  if (!status.ok()) return Fail(status);
  FenceForUnreadable(last_);
  for (const std::string& why : fences_) replay_.FenceAll(why);
  result_ = replay_.Finish();
  opening_.states = std::move(result_.states);
  opening_.copies = std::move(result_.unconfirmed);
  last_bytes_ = Buffer();
  if (unconfirmed_from_ > 0) state_.AddSegment(last_, files_[last_].bytes);
  if (!opening_.copies.empty()) env_.tracer.Sometimes("log.suspects_copied");
  if (result_.torn_tail_cut) env_.tracer.Sometimes("log.torn_tail_cut");
  if (result_.newly_fenced) env_.tracer.Sometimes("log.corrupt_record_fenced");
  for (const auto& [key, group] : result_.groups) {
    if (group.fenced.ok() || !env_.tracer.Logs(env::Severity::kError)) continue;
    env_.tracer.Log(env::Severity::kError,
                    absl::StrCat("log: ", std::string(group.fenced.message())));
  }
  file_.reset();
  // The last segment is needed until the new one is open: its records may be
  // copied there.
  for (const auto& [number, file] : files_) {
    if (number == last_ || InChain(number)) continue;
    // Only the fences tell of what a file held that could not be read. They are
    // not durable yet, so the file stays until the next start.
    if (unreadable_.contains(number)) continue;
    UnusedFile leftover{SegmentName(number), file.bytes};
    if (unconfirmed_from_ == 0 && number < last_) {
      fallbacks_.push_back(std::move(leftover));
      continue;
    }
    if (leftover.bytes > 2 * options_.segment_bytes) {
      leftovers_.push_back(leftover.name);
      continue;
    }
    // The largest two are kept.
    if (leftover.bytes > recycled_.bytes) std::swap(leftover, recycled_);
    if (leftover.bytes > unused_.bytes) std::swap(leftover, unused_);
    if (!leftover.name.empty()) leftovers_.push_back(leftover.name);
  }
  CheckUnreadable();
}

bool Recovery::InChain(uint64_t number) const {
  return std::any_of(state_.segments().begin(), state_.segments().end(),
                     [number](const auto& s) { return s->number == number; });
}

void Recovery::RemoveLeftovers() {
  if (leftovers_.empty()) return CheckSpace();
  pending_ = env_.disk.Remove(leftovers_.back(), [this](absl::Status status) {
    if (!status.ok() && !absl::IsNotFound(status) &&
        env_.tracer.Logs(env::Severity::kWarning)) {
      env_.tracer.Log(env::Severity::kWarning,
                      absl::StrCat("log: cannot remove ", leftovers_.back(),
                                   ": ", status.ToString()));
    }
    leftovers_.pop_back();
    RemoveLeftovers();
  });
}

// Snapshots that were being received go first.
void Recovery::CheckSpace() {
  if (!has_ballast_ && received_.empty()) return CreateEndMark();
  pending_ = env_.disk.FreeBytes([this](absl::StatusOr<uint64_t> free) {
    if (!received_.empty()) {
      const uint64_t needed =
          std::max(options_.ballast_bytes, options_.segment_bytes);
      if (!free.ok() || *free < needed) {
        GiveUpReceived();
        return RemoveLeftovers();
      }
      if (!has_ballast_) return CreateEndMark();
    }
    if (free.ok() && *free >= options_.ballast_bytes &&
        options_.ballast_bytes > 0) {
      return CreateEndMark();
    }
    GiveUpBallast(free.ok() ? absl::StrCat(*free, " bytes are free")
                            : free.status().ToString());
    RemoveLeftovers();
  });
}

void Recovery::GiveUpReceived() {
  env_.tracer.Sometimes("log.received_snapshot_removed");
  for (std::string& name : received_) leftovers_.push_back(std::move(name));
  received_.clear();
}

void Recovery::GiveUpBallast(const std::string& why) {
  env_.tracer.Sometimes("log.ballast_removed");
  if (env_.tracer.Logs(env::Severity::kWarning)) {
    env_.tracer.Log(
        env::Severity::kWarning,
        absl::StrCat("log: the disk is nearly full (", why,
                     "), so the start removes the file 'ballast': free "
                     "space"));
  }
  leftovers_.push_back(std::string(kBallastName));
  has_ballast_ = false;
}

// Without room for another file the log goes on without a mark.
void Recovery::CreateEndMark() {
  if (has_end_mark_) return BeginSegment();
  has_end_mark_ = true;
  pending_ = env_.disk.Open(
      kEndMarkName, env::Disk::OpenMode::kCreateIfAbsent,
      [this](absl::StatusOr<std::unique_ptr<env::File>> file) {
        if (!file.ok() && !absl::IsResourceExhausted(file.status())) {
          return Fail(Annotate(file.status(), kEndMarkName));
        }
        BeginSegment();
      });
}

// The number is greater than that of each segment that there was.
void Recovery::BeginSegment() {
  opening_.header = {options_.cluster, options_.store,
                     std::max({files_.rbegin()->first, opening_.header.number,
                               end_mark_.segment}) +
                         1,
                     previous_};
  opening_.write_number = ++write_number_;
  opener_ = std::make_unique<SegmentOpener>(
      env_.disk, opening_, options_.batch_bytes_max, recycled_.name,
      [this](absl::StatusOr<SegmentOpener::Opened> opened) {
        OnSegment(std::move(opened));
      });
}

// The free space of a disk shows neither a quota nor a lack of inodes. So files
// that are not needed are removed, and another segment is begun.
void Recovery::OnSegment(absl::StatusOr<SegmentOpener::Opened> opened) {
  if (opened.ok()) return Finish(*std::move(opened));
  if (!absl::IsResourceExhausted(opened.status())) {
    return Fail(opened.status());
  }
  if (received_.empty() && !has_ballast_) {
    return Fail(absl::ResourceExhaustedError(absl::StrCat(
        opened.status().message(),
        "; free space on the disk, or raise the quota or the limit that is "
        "reached, and start again")));
  }
  opener_.reset();
  leftovers_.push_back(SegmentName(opening_.header.number));
  if (!recycled_.name.empty()) leftovers_.push_back(recycled_.name);
  recycled_ = {};
  if (!received_.empty()) {
    GiveUpReceived();
  } else {
    GiveUpBallast(std::string(opened.status().message()));
  }
  RemoveLeftovers();
}

// Segments outside the chain hold no entries. Unconfirmed entries were copied
// into the new segment.
void Recovery::PlaceEntries(const std::vector<ByteRange>& copies) {
  std::map<uint64_t, Segment*> segments;
  for (const auto& segment : state_.segments()) {
    segments[segment->number] = segment.get();
  }
  for (const auto& [key, recovered] : result_.groups) {
    GroupLog& group = state_.group(key);
    group.hard_state = recovered.hard_state;
    group.commit = recovered.commit;
    group.log_start = recovered.log_start;
    group.fenced = recovered.fenced;
    if (!group.fenced.ok()) continue;
    const std::vector<size_t>& place_of = result_.place_of[key];
    auto entry = recovered.entries.begin();
    for (size_t i = 0; i < place_of.size();) {
      const Replay::Place& place = result_.places[place_of[i]];
      LiveEntries::Span span;
      span.first = entry->index;
      if (place.segment == 0) {
        const ByteRange& copy = copies[place.begin];
        span.place = {state_.current(), copy.begin, copy.end};
      } else {
        span.place = {segments.at(place.segment), place.begin, place.end};
      }
      for (; i < place_of.size() && &result_.places[place_of[i]] == &place;
           ++i, ++entry) {
        ++span.count;
        span.bytes += entry->size_bytes();
      }
      group.live.Append(span);
    }
  }
}

void Recovery::Finish(SegmentOpener::Opened opened) {
  state_.AddSegment(opening_.header.number, 0);
  PlaceEntries(opened.copies);
  LogImpl::Start start;
  start.allocated_bytes = std::max(opened.end, recycled_.bytes);
  state_.current()->file_bytes = start.allocated_bytes;
  if (!InChain(last_)) {
    start.unused.push_back({SegmentName(last_), files_[last_].bytes});
  }
  if (!unused_.name.empty()) start.unused.push_back(std::move(unused_));
  for (UnusedFile& file : fallbacks_) start.unused.push_back(std::move(file));
  start.state = std::move(state_);
  start.recovered = std::move(result_.groups);
  start.dropped = std::move(result_.dropped);
  start.current = std::move(opened);
  start.write_number = write_number_;
  Log::Opened callback = std::move(opened_);
  callback(std::unique_ptr<Log>(
      std::make_unique<LogImpl>(env_, options_, std::move(start))));
}

std::unique_ptr<AsyncTask> Log::Open(env::Env& env, const LogOptions& options,
                                     Opened opened) {
  return std::make_unique<Recovery>(env, options, std::move(opened));
}

}  // namespace quorate::raft
