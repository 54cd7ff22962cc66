#include "sim/cluster/changed_state.h"

#include <algorithm>
#include <cstddef>
#include <memory>
#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "env/crc32c.h"
#include "env/little_endian.h"
#include "sim/cluster/snapshot_fields.h"

namespace quorate::sim {
namespace {

constexpr size_t kEndBytes = 29;
// The end of a slot, before the next slot or the end.
constexpr size_t kSlotEndBytes = 17;
// Index and log time are between this and the runs of slots, and have no rule
// within the state machine.
constexpr size_t kIndexAt = 24;
// The most bytes that a change removes or repeats.
constexpr uint64_t kStretchBytesMax = 40;

// The digest of the state that the bytes restore, or the refusal. The bytes
// arrive in two pieces.
absl::StatusOr<uint64_t> Restore(const kv::StoreOptions& options,
                                 std::string_view bytes, size_t first) {
  kv::Store store(options);
  const std::unique_ptr<raft::SnapshotWriter> writer = store.BeginRestore({});
  for (const std::string_view piece :
       {bytes.substr(0, first), bytes.substr(first)}) {
    const absl::Status added = writer->Add(piece);
    if (!added.ok()) return added;
  }
  const absl::Status committed = writer->Commit();
  if (!committed.ok()) return committed;
  return store.Digest();
}

// One changed copy.
class Change {
 public:
  Change(std::string_view bytes, const Random& random, uint32_t number)
      : bytes_(bytes), random_(random), number_(number) {
    removals_ = SnapshotRemovalsAt(bytes);
    items_ = removals_ + sizeof(uint32_t) +
             LoadFixed<uint32_t>(bytes, removals_) * kSnapshotRemovalBytes;
    Draw();
  }

  const std::string& bytes() const { return bytes_; }
  // Whether the state may differ: no rule but the checksum covers the change.
  bool free() const { return free_; }
  size_t first() { return Below("first", bytes_.size() + 1); }
  std::string Describe() const { return what_; }

 private:
  uint64_t Below(Site site, uint64_t bound) {
    return random_.Below(bound, site, number_, 0);
  }

  void Draw() {
    const size_t end = bytes_.size() - kSnapshotChecksumBytes;
    const size_t places[][2] = {
        {0, kIndexAt},
        {kSnapshotRunsAt, removals_},
        {removals_, items_},
        {items_, end},
        {end + kSnapshotChecksumBytes - kEndBytes, end}};
    const uint64_t which = Below("place", std::size(places));
    const auto [from, to] = places[which];
    const size_t at = from + Below("at", to - from);
    const size_t stretch =
        std::min(1 + Below("stretch", kStretchBytesMax), end - at);
    const bool sealed = Below("sealed", 4) != 0;
    // A store takes over the slots and the removals of a snapshot.
    free_ = sealed && (which == 1 || which == 2);
    switch (Below("kind", 7)) {
      case 0:
        what_ = absl::StrCat(stretch, " bytes removed at ", at);
        bytes_.erase(at, stretch);
        free_ |= sealed && at < items_;
        break;
      case 1:
        what_ = absl::StrCat(stretch, " bytes repeated at ", at);
        bytes_.insert(at, bytes_.substr(at, stretch));
        free_ |= sealed && at < items_;
        break;
      case 2:
        what_ = "bytes behind the end";
        bytes_.append(stretch, '\0');
        return;
      case 3:
        if (bytes_.size() < items_ + kSlotEndBytes + kEndBytes) return;
        what_ = "the end of the last slot removed";
        bytes_.erase(bytes_.size() - kEndBytes - kSlotEndBytes, kSlotEndBytes);
        break;
      default:
        what_ = absl::StrCat("another byte at ", at);
        bytes_[at] = static_cast<char>(bytes_[at] ^ (1 + Below("byte", 255)));
    }
    if (!sealed) return;
    what_ += ", checksum renewed";
    bytes_.resize(bytes_.size() - kSnapshotChecksumBytes);
    AppendFixed(&bytes_, Crc32c(0, bytes_));
  }

  std::string bytes_;
  const Random random_;
  const uint32_t number_;
  size_t removals_ = 0;
  size_t items_ = 0;
  bool free_ = false;
  std::string what_;
};

}  // namespace

std::string CheckChangedState(const kv::StoreOptions& options,
                              std::string_view bytes, const Random& random,
                              uint32_t changes) {
  const auto original = Restore(options, bytes, 0);
  if (!original.ok()) {
    return absl::StrCat("its own snapshot is refused: ",
                        original.status().ToString());
  }
  for (uint32_t i = 0; i < changes; ++i) {
    Change change(bytes, random, i);
    if (change.bytes() == bytes) continue;
    const auto restored = Restore(options, change.bytes(), change.first());
    if (!restored.ok() || *restored == *original || change.free()) continue;
    return absl::StrCat("a changed snapshot restores another state: ",
                        change.Describe());
  }
  return "";
}

}  // namespace quorate::sim
