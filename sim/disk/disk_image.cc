#include "sim/disk/disk_image.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "env/check.h"
#include "env/random.h"
#include "sim/choices/trace_hash.h"

namespace quorate::sim {
namespace {
constexpr ChoiceSite kLoss("disk.loss");
constexpr ChoiceSite kLostVersions("disk.lost_versions");
constexpr ChoiceSite kLostSize("disk.lost_size");
constexpr ChoiceSite kLostEntry("disk.lost_entry");

uint64_t SectorOf(uint64_t offset) { return offset / kSectorBytes; }

bool AllZero(std::string_view bytes) {
  return bytes.empty() ||
         (bytes[0] == 0 &&
          std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0);
}
}  // namespace

// ---- SparseBytes

char* SparseBytes::Own(uint64_t page) {
  std::shared_ptr<Page>& bytes = pages_[page];
  if (bytes.use_count() > 1) bytes = std::make_shared<Page>(*bytes);
  return bytes->data();
}

void SparseBytes::Read(uint64_t offset, size_t size, char* out) const {
  while (size > 0) {
    const uint64_t page = offset / kPageBytes;
    const uint64_t within = offset % kPageBytes;
    const size_t part = std::min<size_t>(size, kPageBytes - within);
    if (page < pages_.size() && pages_[page] != nullptr) {
      std::memcpy(out, pages_[page]->data() + within, part);
    } else {
      std::memset(out, 0, part);
    }
    offset += part;
    out += part;
    size -= part;
  }
}

void SparseBytes::AppendTo(std::string* out, uint64_t offset,
                           size_t size) const {
  out->reserve(out->size() + size);
  while (size > 0) {
    const uint64_t within = offset % kPageBytes;
    const size_t part = std::min<size_t>(size, kPageBytes - within);
    if (PageIsZero(offset)) {
      out->append(part, '\0');
    } else {
      out->append(pages_[offset / kPageBytes]->data() + within, part);
    }
    offset += part;
    size -= part;
  }
}

std::string_view SparseBytes::ViewSector(uint64_t sector) const {
  static_assert(kPageBytes % kSectorBytes == 0);
  const uint64_t offset = sector * kSectorBytes;
  if (PageIsZero(offset)) return {};
  return {pages_[offset / kPageBytes]->data() + offset % kPageBytes,
          kSectorBytes};
}

void SparseBytes::Write(uint64_t offset, std::string_view bytes) {
  while (!bytes.empty()) {
    const uint64_t page = offset / kPageBytes;
    const uint64_t within = offset % kPageBytes;
    const size_t part = std::min<size_t>(bytes.size(), kPageBytes - within);
    if (page >= pages_.size()) pages_.resize(page + 1);
    if (pages_[page] == nullptr && !AllZero(bytes.substr(0, part))) {
      pages_[page] = std::make_shared<Page>();  // Zeros.
    }
    if (pages_[page] != nullptr) {
      std::memcpy(Own(page) + within, bytes.data(), part);
    }
    offset += part;
    bytes.remove_prefix(part);
  }
}

void SparseBytes::ZeroFrom(uint64_t offset) {
  const uint64_t page = offset / kPageBytes;
  const uint64_t within = offset % kPageBytes;
  if (page >= pages_.size()) return;
  if (within != 0 && pages_[page] != nullptr) {
    std::memset(Own(page) + within, 0, kPageBytes - within);
  }
  pages_.resize(within == 0 ? page : page + 1);
}

bool SparseBytes::PageIsZero(uint64_t offset) const {
  const uint64_t page = offset / kPageBytes;
  return page >= pages_.size() || pages_[page] == nullptr;
}

bool SparseBytes::HasBytesOf(const SparseBytes& other) const {
  return std::equal(pages_.begin(), pages_.end(), other.pages_.begin(),
                    other.pages_.end(), [](const auto& a, const auto& b) {
                      return a == b ||
                             (a != nullptr && b != nullptr && *a == *b);
                    });
}

// ---- DiskFile

std::string DiskFile::Read(uint64_t offset, size_t size) const {
  if (offset >= size_) return "";
  std::string bytes;
  cache_.AppendTo(&bytes, offset, std::min<uint64_t>(size, size_ - offset));
  return bytes;
}

Buffer DiskFile::ReadBuffer(uint64_t offset, size_t size) const {
  if (offset >= size_) return Buffer();
  const size_t count = std::min<uint64_t>(size, size_ - offset);
  return Buffer::Create(
      count, [&](char* block) { cache_.Read(offset, count, block); });
}

DiskFile::Sector DiskFile::ReadSector(uint64_t sector) const {
  return Sector(cache_.ViewSector(sector));
}

void DiskFile::BeforeChange(uint64_t first, uint64_t last, bool zeros) {
  for (uint64_t sector = first; sector <= last; ++sector) {
    if (sectors_.contains(sector)) continue;
    if (zeros && cache_.PageIsZero(sector * kSectorBytes)) continue;
    sectors_.emplace(sector, Unsynced<Sector>{ReadSector(sector), {}});
  }
}

void DiskFile::AfterChange(uint64_t change, uint64_t first, uint64_t last) {
  for (auto it = sectors_.lower_bound(first);
       it != sectors_.end() && it->first <= last; ++it) {
    it->second.versions.push_back({change, ReadSector(it->first)});
  }
}

void DiskFile::NoteSize(uint64_t change, uint64_t size) {
  if (size == size_) return;
  size_ = size;
  sizes_.versions.push_back({change, size});
}

uint64_t DiskFile::Write(uint64_t offset,
                         absl::Span<const std::string_view> pieces,
                         bool durable) {
  const uint64_t change = ++changes_;
  uint64_t end = offset;
  for (const std::string_view piece : pieces) end += piece.size();
  if (end == offset) return change;
  const uint64_t first = SectorOf(offset);
  const uint64_t last = SectorOf(end - 1);
  if (!durable) {
    const bool zeros = std::all_of(pieces.begin(), pieces.end(), AllZero);
    BeforeChange(first, last, zeros);
  }
  for (const std::string_view piece : pieces) {
    cache_.Write(offset, piece);
    offset += piece.size();
  }
  if (!durable) {
    AfterChange(change, first, last);
    NoteSize(change, std::max(size_, end));
    return change;
  }
  if (!sectors_.empty()) {
    sectors_.erase(sectors_.lower_bound(first), sectors_.upper_bound(last));
  }
  if (end > size_) {
    // The size that is needed to read the bytes back becomes durable with them.
    size_ = end;
    sizes_ = {end, {}};
  } else if (!sizes_.versions.empty() && end > sizes_.durable) {
    sizes_.durable = end;
  }
  return change;
}

void DiskFile::MarkSeen(uint64_t change) {
  seen_changes_.emplace(change, ++seen_);
}

void DiskFile::MarkAllSeen() {
  ++seen_;
  // Nothing refers to changes that are durable.
  if (sectors_.empty() && sizes_.versions.empty()) return;
  for (uint64_t change = poisoned_ + 1; change <= changes_; ++change) {
    seen_changes_.emplace(change, seen_);
  }
}

template <typename T>
size_t DiskFile::Covered(const Unsynced<T>& unsynced, uint64_t mark) const {
  for (size_t n = unsynced.versions.size(); n > 0; --n) {
    const uint64_t change = unsynced.versions[n - 1].change;
    const auto seen = seen_changes_.find(change);
    if (seen != seen_changes_.end() && seen->second <= mark &&
        change > poisoned_) {
      return n;
    }
  }
  return 0;
}

void DiskFile::Sync(uint64_t mark) {
  for (auto it = sectors_.begin(); it != sectors_.end();) {
    auto& versions = it->second.versions;
    const size_t covered = Covered(it->second, mark);
    if (covered == versions.size()) {
      it = sectors_.erase(it);
      continue;
    }
    if (covered > 0) {
      it->second.durable = std::move(versions[covered - 1].value);
      versions.erase(versions.begin(), versions.begin() + covered);
    }
    ++it;
  }
  const size_t covered = Covered(sizes_, mark);
  if (covered > 0) {
    sizes_.durable = sizes_.versions[covered - 1].value;
    sizes_.versions.erase(sizes_.versions.begin(),
                          sizes_.versions.begin() + covered);
  }
  if (sectors_.empty() && sizes_.versions.empty()) seen_changes_.clear();
}

void DiskFile::Poison() { poisoned_ = changes_; }

uint64_t DiskFile::ChooseLost(Loss loss, SimState* state, uint64_t entity,
                              uint64_t counter, size_t versions) {
  if (loss == Loss::kNothing) return 0;
  if (loss == Loss::kEverything) return versions;
  return state->choices.Below(kLostVersions, entity, counter, versions + 1);
}

void DiskFile::LosePower(Loss loss, SimState* state, uint64_t entity) {
  writeback_failed_ = false;  // The operating system knew it.
  // Per change: 1 if some sectors are kept, 2 if some are lost.
  absl::btree_map<uint64_t, int> fates;
  for (auto& [sector, unsynced] : sectors_) {
    const uint64_t lost =
        ChooseLost(loss, state, entity, sector, unsynced.versions.size());
    const size_t kept = unsynced.versions.size() - lost;
    for (size_t i = 0; i < unsynced.versions.size(); ++i) {
      fates[unsynced.versions[i].change] |= i < kept ? 1 : 2;
    }
    if (lost == 0) continue;
    state->faults.Count(Fault::kDiskSectorLost);
    const Sector& left =
        kept == 0 ? unsynced.durable : unsynced.versions[kept - 1].value;
    cache_.Write(sector * kSectorBytes,
                 left.empty() ? Sector(kSectorBytes, '\0') : left);
  }
  for (const auto& [change, fate] : fates) {
    if (fate == 3) state->faults.Count(Fault::kDiskWriteTorn);
  }
  if (!sizes_.versions.empty()) {
    uint64_t lost = 0;
    if (loss == Loss::kEverything) lost = sizes_.versions.size();
    if (loss == Loss::kMixed) {
      lost = state->choices.Below(kLostSize, entity, 0,
                                  sizes_.versions.size() + 1);
    }
    const size_t kept = sizes_.versions.size() - lost;
    size_ = kept == 0 ? sizes_.durable : sizes_.versions[kept - 1].value;
  }
  cache_.ZeroFrom(size_);
  sectors_.clear();
  sizes_ = {size_, {}};
  seen_changes_.clear();
  poisoned_ = changes_;
}

template <typename Change>
void DiskFile::ForEachVersion(Unsynced<Sector>* unsynced, Change&& change) {
  const auto apply = [&](Sector& stored) {
    stored.resize(kSectorBytes, '\0');
    change(stored);
  };
  apply(unsynced->durable);
  for (auto& version : unsynced->versions) apply(version.value);
}

bool DiskFile::FlipBit(uint64_t offset, int bit) {
  if (offset >= size_) return false;
  const char mask = static_cast<char>(1 << (bit & 7));
  std::string byte = Read(offset, 1);
  byte[0] = static_cast<char>(byte[0] ^ mask);
  cache_.Write(offset, byte);
  const auto found = sectors_.find(SectorOf(offset));
  if (found != sectors_.end()) {
    const size_t within = offset % kSectorBytes;
    ForEachVersion(&found->second,
                   [&](Sector& stored) { stored[within] ^= mask; });
  }
  return true;
}

bool DiskFile::Overwrite(uint64_t offset, std::string_view bytes) {
  if (offset + bytes.size() > size_ || bytes.empty()) return false;
  if (Read(offset, bytes.size()) == bytes) return false;
  cache_.Write(offset, bytes);
  for (size_t i = 0; i < bytes.size(); ++i) {
    const auto found = sectors_.find(SectorOf(offset + i));
    if (found == sectors_.end()) continue;
    const size_t within = (offset + i) % kSectorBytes;
    ForEachVersion(&found->second,
                   [&](Sector& stored) { stored[within] = bytes[i]; });
  }
  return true;
}

uint64_t DiskFile::DurableSize() const {
  return sizes_.versions.empty() ? size_ : sizes_.durable;
}

// ---- DiskImage

void DiskImage::CopyFrom(const DiskImage& other) {
  // A file may have several names, or none that is durable.
  std::vector<std::pair<FileRef, FileRef>> copies;
  const auto copy = [&copies](FileRef* file) {
    if (*file == nullptr) return;
    for (const auto& [from, to] : copies) {
      if (from != *file) continue;
      *file = to;
      return;
    }
    FileRef made = std::make_shared<DiskFile>(**file);
    made->TakeWritebackError();
    copies.emplace_back(*file, made);
    *file = std::move(made);
  };
  entries_ = other.entries_;
  durable_ = other.durable_;
  unsynced_ = other.unsynced_;
  changes_ = other.changes_;
  seen_ = other.seen_;
  locks_.clear();
  for (Entries* entries : {&entries_, &durable_}) {
    for (auto& [name, file] : *entries) copy(&file);
  }
  for (Change& change : unsynced_) copy(&change.file);
}

DiskImage::FileRef DiskImage::Find(std::string_view name) const {
  const auto found = entries_.find(name);
  return found == entries_.end() ? nullptr : found->second;
}

std::vector<std::string> DiskImage::Names() const {
  std::vector<std::string> names;
  for (const auto& [name, file] : entries_) names.push_back(name);
  return names;
}

std::vector<FileContents> DiskImage::Contents() const {
  std::vector<FileContents> contents;
  for (const auto& [name, file] : entries_) {
    contents.push_back({name, file->size(), file->bytes()});
  }
  return contents;
}

uint64_t DiskImage::TotalBytes() const {
  uint64_t total = 0;
  for (const auto& [name, file] : entries_) total += file->size();
  return total;
}

// A pending change would name the file that takes the place of its own.
void DiskImage::FlushDirectory() {
  durable_ = entries_;
  unsynced_.clear();
}

void DiskImage::Put(std::string_view name, std::string_view bytes) {
  FlushDirectory();
  const auto file = std::make_shared<DiskFile>();
  file->Write(0, bytes, /*durable=*/true);
  entries_[std::string(name)] = file;
  durable_[std::string(name)] = file;
}

void DiskImage::Delete(std::string_view name) {
  FlushDirectory();
  entries_.erase(std::string(name));
  durable_.erase(std::string(name));
}

bool DiskImage::Apply(const Change& change, Entries* entries) {
  if (change.kind == Change::Kind::kCreate) {
    (*entries)[change.name] = change.file;
    return true;
  }
  const auto found = entries->find(change.name);
  if (found == entries->end() || found->second != change.file) return false;
  entries->erase(found);
  if (change.kind == Change::Kind::kRename) {
    (*entries)[change.to] = change.file;
  }
  return true;
}

uint64_t DiskImage::Add(Change change) {
  change.number = ++changes_;
  CHECK(Apply(change, &entries_)) << change.name;
  unsynced_.push_back(std::move(change));
  return changes_;
}

uint64_t DiskImage::Create(std::string_view name, FileRef* file) {
  CHECK(Find(name) == nullptr) << name;
  *file = std::make_shared<DiskFile>();
  return Add({0, Change::Kind::kCreate, std::string(name), "", *file});
}

uint64_t DiskImage::Remove(std::string_view name) {
  return Add({0, Change::Kind::kRemove, std::string(name), "", Find(name)});
}

uint64_t DiskImage::Rename(std::string_view from, std::string_view to) {
  const FileRef file = Find(from);
  file->ForgetDurableWrites();
  return Add(
      {0, Change::Kind::kRename, std::string(from), std::string(to), file});
}

void DiskImage::MarkSeen(uint64_t change) {
  ++seen_;
  for (Change& c : unsynced_) {
    if (c.number == change) c.seen = seen_;
  }
}

void DiskImage::SyncDirectory(uint64_t mark) {
  // Changes of a directory reach the disk in order: all changes before a
  // covered one are durable, too.
  size_t covered = 0;
  for (size_t i = 0; i < unsynced_.size(); ++i) {
    if (unsynced_[i].seen != 0 && unsynced_[i].seen <= mark) covered = i + 1;
  }
  for (size_t i = 0; i < covered; ++i) Apply(unsynced_[i], &durable_);
  unsynced_.erase(unsynced_.begin(), unsynced_.begin() + covered);
}

void DiskImage::ProcessDied() {
  ++seen_;
  for (Change& change : unsynced_) {
    if (change.seen == 0) change.seen = seen_;
  }
  for (auto& [name, file] : entries_) file->MarkAllSeen();
}

void DiskImage::LosePower(SimState* state, uint64_t machine) {
  using Loss = DiskFile::Loss;
  // The second of the crash identifies it.
  const auto second = SecondOf(state->now);
  const uint64_t crash = Mix64(machine << 32 | second);
  const auto loss =
      static_cast<Loss>(state->choices.Below(kLoss, machine, second, 3));
  for (size_t i = 0; i < unsynced_.size(); ++i) {
    bool lost = loss == Loss::kEverything;
    if (loss == Loss::kMixed) {
      lost = state->choices.Chance(kLostEntry, crash,
                                   HashBytes(unsynced_[i].name), {1, 2});
    }
    if (lost) {
      state->faults.Count(Fault::kDiskEntryLost);
    } else {
      Apply(unsynced_[i], &durable_);
    }
  }
  unsynced_.clear();
  entries_ = durable_;
  locks_.clear();
  for (auto& [name, file] : entries_) {
    file->LosePower(loss, state, Mix64(crash + HashBytes(name)));
  }
}

void DiskImage::Erase() {
  entries_.clear();
  durable_.clear();
  unsynced_.clear();
  locks_.clear();
}

}  // namespace quorate::sim
