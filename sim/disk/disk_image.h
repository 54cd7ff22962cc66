// sim/disk/disk_image.h: the contents of a machine's disk and page cache, and
// the effects of a crash on them. There is no time here and no callback.
//
// Programs read the page cache. A 512-byte sector whose newest contents are not
// durable has every version since the durable one. A crash of the machine can
// leave any of these versions. File sizes and directory operations have
// versions, too.
#ifndef QUORATE_SIM_DISK_DISK_IMAGE_H_
#define QUORATE_SIM_DISK_DISK_IMAGE_H_

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/types/span.h"
#include "env/buffer.h"
#include "sim/state/sim_state.h"

namespace quorate::sim {

inline constexpr uint64_t kSectorBytes = 512;

// Bytes by offset. Zeros need no page until other bytes are written there. A
// copy shares the pages until one of both writes to them.
class SparseBytes {
 public:
  void Read(uint64_t offset, size_t size, char* out) const;
  void AppendTo(std::string* out, uint64_t offset, size_t size) const;
  // The bytes of a sector, until the next change. Empty: its page is zero.
  std::string_view ViewSector(uint64_t sector) const;
  void Write(uint64_t offset, std::string_view bytes);
  // Sets all bytes from `offset` on to zero.
  void ZeroFrom(uint64_t offset);
  // Whether nothing but zeros was written to the page.
  bool PageIsZero(uint64_t offset) const;
  // Whether the bytes are equal. False is possible for equal bytes, if one side
  // has a page of zeros. Shared pages are not read.
  bool HasBytesOf(const SparseBytes& other) const;

 private:
  static constexpr uint64_t kPageBytes = 4096;
  using Page = std::array<char, kPageBytes>;
  // The bytes of a page that exists, for a change.
  char* Own(uint64_t page);

  std::vector<std::shared_ptr<Page>> pages_;
};

// The bytes of a file under one of its names, as programs see them. They share
// the pages of the file.
struct FileContents {
  std::string name;
  uint64_t size = 0;
  SparseBytes bytes;
  friend bool operator==(const FileContents& a, const FileContents& b) {
    return a.size == b.size && a.name == b.name && a.bytes.HasBytesOf(b.bytes);
  }
};

// The bytes from `begin` on, before `end`.
struct ByteExtent {
  uint64_t begin = 0;
  uint64_t end = 0;
};

// The durable writes of one program to files that it opened for the log
// (env::FileUse::kLog).
struct LogWrites {
  uint64_t begun = 0;
  uint64_t reported = 0;  // Those of `begun` whose end the program knows.
  friend bool operator==(const LogWrites&, const LogWrites&) = default;
};

// The contents of a file. Its names are in DiskImage.
class DiskFile {
 public:
  uint64_t size() const { return size_; }
  std::string Read(uint64_t offset, size_t size) const;
  const SparseBytes& bytes() const { return cache_; }
  // Read without a second copy.
  Buffer ReadBuffer(uint64_t offset, size_t size) const;

  // Changes the page cache and returns the number of the change. If `durable`,
  // the sectors of the change are on the disk at once, with all their contents.
  uint64_t Write(uint64_t offset, std::string_view bytes, bool durable) {
    return Write(offset, absl::MakeConstSpan(&bytes, 1), durable);
  }
  // Writes the pieces one behind the other.
  uint64_t Write(uint64_t offset, absl::Span<const std::string_view> pieces,
                 bool durable);
  // The change was reported to the program as done. A sync that is issued from
  // now on covers it.
  void MarkSeen(uint64_t change);
  void MarkAllSeen();
  // A mark for a Sync that is issued now. It covers all changes reported so
  // far.
  uint64_t sync_mark() const { return seen_; }
  // Makes changes that the mark covers durable.
  void Sync(uint64_t mark);
  // The sync with this mark failed. No later sync makes these changes durable.
  void Poison();
  // Data of earlier changes could not be written in the background. No sync
  // makes these changes durable.
  void FailWriteback() {
    Poison();
    writeback_failed_ = true;
  }
  // Whether FailWriteback was called since the last TakeWritebackError, in this
  // process or an earlier one.
  bool TakeWritebackError() { return std::exchange(writeback_failed_, false); }

  // The machine lost power: each sector, and the size, keeps one of its
  // versions.
  enum class Loss : uint8_t { kNothing, kEverything, kMixed };
  void LosePower(Loss loss, SimState* state, uint64_t entity);
  bool FlipBit(uint64_t offset, int bit);
  // Replaces stored bytes, durable or not, without a write. False: the bytes
  // are equal, or beyond the end of the file.
  bool Overwrite(uint64_t offset, std::string_view bytes);
  // The state that a crash with Loss::kEverything would leave.
  uint64_t DurableSize() const;
  // The newest durable write that completed under this name of the file. None:
  // there was none. No crash takes it back.
  const std::optional<ByteExtent>& newest_durable_write() const {
    return newest_durable_write_;
  }
  void NoteDurableWrite(const ByteExtent& write) {
    newest_durable_write_ = write;
  }
  void ForgetDurableWrites() { newest_durable_write_.reset(); }

 private:
  template <typename T>
  struct Version {
    uint64_t change;
    T value;
  };
  // Versions in order. `durable` is older than all of them. The last one is in
  // the page cache.
  template <typename T>
  struct Unsynced {
    T durable;
    std::vector<Version<T>> versions;
  };
  // Empty: zeros.
  using Sector = std::string;

  // The number of leading versions that a sync with `mark` covers.
  template <typename T>
  size_t Covered(const Unsynced<T>& unsynced, uint64_t mark) const;
  Sector ReadSector(uint64_t sector) const;
  // Calls change(Sector&) with all kSectorBytes of the durable version and of
  // each later one.
  template <typename Change>
  static void ForEachVersion(Unsynced<Sector>* unsynced, Change&& change);
  // Saves the contents of sectors `first` to `last`, inclusive, before a
  // change. `zeros`: the change writes nothing but zeros. Sectors that are zero
  // already then need no versions.
  void BeforeChange(uint64_t first, uint64_t last, bool zeros = false);
  void AfterChange(uint64_t change, uint64_t first, uint64_t last);
  void NoteSize(uint64_t change, uint64_t size);
  uint64_t ChooseLost(Loss loss, SimState* state, uint64_t entity,
                      uint64_t counter, size_t versions);

  SparseBytes cache_;
  uint64_t size_ = 0;
  uint64_t changes_ = 0;
  uint64_t seen_ = 0;
  // For each change that is not durable, the number that it got when it was
  // reported. Absent: not yet reported.
  absl::btree_map<uint64_t, uint64_t> seen_changes_;
  absl::btree_map<uint64_t, Unsynced<Sector>> sectors_;
  Unsynced<uint64_t> sizes_{0, {}};
  uint64_t poisoned_ = 0;  // Changes up to this one never become durable.
  bool writeback_failed_ = false;  // And no sync has reported it yet.
  std::optional<ByteExtent> newest_durable_write_;
};

// The directory and its files.
class DiskImage {
 public:
  using FileRef = std::shared_ptr<DiskFile>;

  // Becomes a copy of `other`, with files of its own. Errors that wait for a
  // sync are not copied: they are faults of the first machine.
  void CopyFrom(const DiskImage& other);

  FileRef Find(std::string_view name) const;
  std::vector<std::string> Names() const;
  std::vector<FileContents> Contents() const;
  uint64_t TotalBytes() const;
  // Replaces or creates a file, or deletes it: on the disk at once, without an
  // operation of a program. All earlier changes of the directory are durable
  // then.
  void Put(std::string_view name, std::string_view bytes);
  void Delete(std::string_view name);

  // Changes of the directory. Each returns its number. Create requires a free
  // name, Remove and Rename require an existing one.
  uint64_t Create(std::string_view name, FileRef* file);
  uint64_t Remove(std::string_view name);
  uint64_t Rename(std::string_view from, std::string_view to);
  void MarkSeen(uint64_t change);
  uint64_t sync_mark() const { return seen_; }
  void SyncDirectory(uint64_t mark);

  // A process died. Its changes are in the page cache, and a later sync covers
  // them.
  void ProcessDied();
  void LosePower(SimState* state, uint64_t machine);

  // The holder of each lock, by name.
  absl::btree_map<std::string, MachineId>& locks() { return locks_; }
  void Erase();

 private:
  struct Change {
    uint64_t number;
    enum class Kind : uint8_t { kCreate, kRemove, kRename } kind;
    std::string name;
    std::string to;
    FileRef file;
    uint64_t seen = 0;  // 0: not yet reported.
  };
  using Entries = absl::btree_map<std::string, FileRef, std::less<>>;

  static bool Apply(const Change& change, Entries* entries);
  void FlushDirectory();
  uint64_t Add(Change change);

  Entries entries_;  // The directory as programs see it.
  Entries durable_;
  std::vector<Change> unsynced_;
  uint64_t changes_ = 0;
  uint64_t seen_ = 0;
  absl::btree_map<std::string, MachineId> locks_;
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_DISK_DISK_IMAGE_H_
