// sim/cluster/mishap.h: accidents of an operator with the data directory of a
// stopped node, and directories that another program wrote.
//
// The product must refuse the directory with a message that names the mistake,
// or fence the groups concerned. It must never work with another state than the
// true one. Each change is visible to the product: checksums are renewed only
// where a rule beyond them refuses the result.
#ifndef QUORATE_SIM_CLUSTER_MISHAP_H_
#define QUORATE_SIM_CLUSTER_MISHAP_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/types/span.h"
#include "env/ids.h"
#include "env/random.h"
#include "raft/log/snapshot_format.h"
#include "sim/world/world.h"

namespace quorate::sim {

// The data directory of a machine that does not run, and draws for its mishap.
class MishandledDirectory {
 public:
  // `world` outlives this object.
  MishandledDirectory(World* world, MachineId machine, Random random)
      : world_(world), machine_(machine), random_(random) {}

  // The names that begin with `prefix`, ascending.
  std::vector<std::string> Names(std::string_view prefix) const;
  std::string Read(std::string_view name) const {
    return world_->ReadDiskFile(machine_, name);
  }
  void Write(std::string_view name, std::string_view bytes) {
    world_->PutDiskFile(machine_, name, bytes);
  }
  void Remove(std::string_view name) { world_->RemoveDiskFile(machine_, name); }
  // A draw from [0, bound).
  uint64_t Below(uint64_t bound) {
    return random_.Below(bound, "mishap.detail", 0, ++draws_);
  }
  // Some name that begins with `prefix`; empty if there is none.
  std::string Some(std::string_view prefix);

 private:
  World* const world_;
  const MachineId machine_;
  const Random random_;
  uint64_t draws_ = 0;
};

// A complete snapshot: the bytes of the state machine, trailer and footer.
struct SnapshotOnDisk {
  std::string name;
  std::string bytes;
  raft::SnapshotFooter footer;
  raft::SnapshotTrailer trailer;
  size_t footer_at() const { return bytes.size() - raft::kSnapshotFooterBytes; }
};
// Reads one of the snapshots. False: the drawn one is incomplete, or there is
// none.
bool ReadSomeSnapshot(MishandledDirectory* directory, SnapshotOnDisk* snapshot);

struct Mishap {
  enum class Outcome : uint8_t {
    kRefused,  // The start fails, and its message has the text `says`.
    // The start fails, or each replica is fenced, halted or right.
    kContained,
    kHalted,    // The node starts, and each replica is halted or right.
    kHarmless,  // All replicas work.
  };
  std::string_view name;
  Outcome outcome = Outcome::kContained;
  std::string_view says = {};
  // Changes the directory. False: this directory cannot have the mishap.
  bool (*happen)(MishandledDirectory* directory);
  // The log then has entries that no log of the run held.
  bool other_entries = false;
};

absl::Span<const Mishap> Mishaps();

}  // namespace quorate::sim

#endif  // QUORATE_SIM_CLUSTER_MISHAP_H_
