// sim/disk/disk_image.h: what a machine's disk and its page cache hold, and what a
// crash makes of it. No time, no callbacks.
//
// The page cache is what programs read. A 512-byte sector whose newest contents
// are not durable keeps every version since the durable one, so that a crash of
// the machine can leave any of them. File sizes and directory operations are
// kept likewise.
#ifndef QUORATE_SIM_DISK_DISK_IMAGE_H_
#define QUORATE_SIM_DISK_DISK_IMAGE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/btree_map.h"
#include "sim/state/sim_state.h"

namespace quorate::sim {

inline constexpr uint64_t kSectorBytes = 512;

// Bytes addressed from zero; pages that were never written read as zeros.
class SparseBytes {
 public:
  void Read(uint64_t offset, size_t size, char* out) const;
  void Write(uint64_t offset, std::string_view bytes);
  // Everything from `offset` on becomes zeros.
  void ZeroFrom(uint64_t offset);
  bool PageIsZero(uint64_t offset) const;

 private:
  static constexpr uint64_t kPageBytes = 4096;
  std::vector<std::unique_ptr<char[]>> pages_;
};

// A file apart from its names.
class DiskFile {
 public:
  explicit DiskFile(uint64_t number) : number_(number) {}

  uint64_t number() const { return number_; }
  uint64_t size() const { return size_; }
  std::string Read(uint64_t offset, size_t size) const;

  // A change of the page cache; returns the change's number. `durable`: it is
  // on disk at once, with whatever was in its sectors.
  uint64_t Write(uint64_t offset, std::string_view bytes, bool durable);
  uint64_t Truncate(uint64_t size);
  // The program was told that the change ended: a sync issued from now on
  // covers it.
  void MarkSeen(uint64_t change);
  void MarkAllSeen();
  // Names everything seen so far, for a Sync that is issued now.
  uint64_t sync_mark() const { return seen_; }
  // What was seen by the mark becomes durable.
  void Sync(uint64_t mark);
  // A sync of what was seen by the mark failed: no later sync makes it durable
  // any more.
  void Poison();

  // The machine lost power: each sector, and the size, keeps one of its
  // versions.
  enum class Loss : uint8_t { kNothing, kEverything, kMixed };
  void LosePower(Loss loss, SimState* state, uint64_t entity, uint64_t crash);
  bool FlipBit(uint64_t offset, int bit);
  // Puts other bytes in the place of what is stored, durable or not, without a
  // write. False: nothing is different, or not all of it is in the file.
  bool Overwrite(uint64_t offset, std::string_view bytes);
  // As kEverything would leave it.
  uint64_t DurableSize() const;

 private:
  template <typename T>
  struct Version {
    uint64_t change;
    T value;
  };
  // Versions in order; `durable` is older than all of them, the last one is in
  // the page cache.
  template <typename T>
  struct Unsynced {
    T durable;
    std::vector<Version<T>> versions;
  };
  using Sector = std::string;

  // How many leading versions a sync up to `mark` covers.
  template <typename T>
  size_t Covered(const Unsynced<T>& unsynced, uint64_t mark) const;
  Sector ReadSector(uint64_t sector) const;
  // Puts the present contents of the sectors aside before a change; `first` to
  // `last` inclusive.
  void BeforeChange(uint64_t first, uint64_t last);
  void AfterChange(uint64_t change, uint64_t first, uint64_t last);
  void NoteSize(uint64_t change, uint64_t size);
  uint64_t ChooseLost(Loss loss, SimState* state, uint64_t entity,
                      uint64_t counter, size_t versions);

  const uint64_t number_;
  SparseBytes cache_;
  uint64_t size_ = 0;
  uint64_t changes_ = 0;
  uint64_t seen_ = 0;
  // When a change that is not durable was seen (a count); absent: not yet.
  absl::btree_map<uint64_t, uint64_t> seen_changes_;
  absl::btree_map<uint64_t, Unsynced<Sector>> sectors_;
  Unsynced<uint64_t> sizes_{0, {}};
  uint64_t poisoned_ = 0;  // Changes up to this one never become durable.
};

// The directory and its files.
class DiskImage {
 public:
  using FileRef = std::shared_ptr<DiskFile>;

  FileRef Find(std::string_view name) const;
  std::vector<std::string> Names() const;
  uint64_t TotalBytes() const;

  // Changes of the directory; each returns its number. Create gives the file's.
  // Requires of Create: the name is free; of Remove and Rename: it is there.
  uint64_t Create(std::string_view name, FileRef* file);
  uint64_t Remove(std::string_view name);
  uint64_t Rename(std::string_view from, std::string_view to);
  void MarkSeen(uint64_t change);
  uint64_t sync_mark() const { return seen_; }
  void SyncDirectory(uint64_t mark);

  // A process died: what it had done is in the page cache and a later sync
  // covers it.
  void ProcessDied();
  void LosePower(SimState* state, uint64_t machine, uint64_t crash);

  // Lock name to holder.
  absl::btree_map<std::string, MachineId>& locks() { return locks_; }
  void Erase();

 private:
  struct Change {
    uint64_t number;
    enum class Kind : uint8_t { kCreate, kRemove, kRename } kind;
    std::string name;
    std::string to;
    FileRef file;
    uint64_t seen = 0;  // 0: not yet.
  };
  using Entries = absl::btree_map<std::string, FileRef, std::less<>>;

  static bool Apply(const Change& change, Entries* entries);
  uint64_t Add(Change change);

  Entries entries_;  // What programs see.
  Entries durable_;
  std::vector<Change> unsynced_;
  uint64_t changes_ = 0;
  uint64_t seen_ = 0;
  uint64_t files_ = 0;
  absl::btree_map<std::string, MachineId> locks_;
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_DISK_DISK_IMAGE_H_
