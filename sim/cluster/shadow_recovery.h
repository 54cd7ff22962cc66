// sim/cluster/shadow_recovery.h: recovers copies of a node's disk.
//
// A copy of the disk is opened by the product's own start-up in a world of its
// own. The checker compares what the replicas recovered with what must be
// durable. So every moment around rare work is checked as if the node had
// crashed there, and the run itself does not change.
//
// A node may have rare moments of one kind again and again. From its second
// moment of a kind on, every third change of the disk is recovered.
//
// If a copy has the same files as the last one of the node, the node is not
// started again. The checker compares what that copy recovered once more,
// because more may have become durable.
//
// Some copies are mishandled first (sim/cluster/mishap.h). The start must then
// refuse the directory or fence the replicas concerned.
#ifndef QUORATE_SIM_CLUSTER_SHADOW_RECOVERY_H_
#define QUORATE_SIM_CLUSTER_SHADOW_RECOVERY_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "env/ids.h"
#include "node/config/config.h"
#include "raft/host/host.h"
#include "sim/checks/replica_checker.h"
#include "sim/cluster/mishap.h"
#include "sim/world/world.h"

namespace quorate::sim {

class ShadowRecovery {
 public:
  // The changes of the disk after a rare moment that are followed.
  static constexpr uint32_t kChanges = 12;
  // The share of these changes that are recovered after a moment of a kind
  // that the node had before.
  static constexpr uint32_t kAgainOneIn = 3;
  enum class Moment : uint8_t {
    kStart,
    kInstall,   // A snapshot replaces the log.
    kTruncate,  // A conflicting suffix is replaced.
    kReplace,   // A snapshot replaces a longer log. Few runs have it at all.
    kMark,      // A rare mark of raft/ (OnMark).
  };
  // The recoveries in one run, at most. As many again are for kReplace.
  static constexpr uint32_t kRecoveriesMax = 60;
  // The mishandled copies in one run, at most.
  static constexpr uint32_t kMishapsMax = 6;

  // The names and contents of all files of a disk.
  using Files = std::vector<std::pair<std::string, std::string>>;

  // Both outlive this object. Violations go to `world`.
  ShadowRecovery(World* world, ReplicaChecker* checker);
  ~ShadowRecovery();

  // Something rare happens on the machine: its disk is copied after each of the
  // next changes, or after some of them.
  void Follow(MachineId machine, Moment moment);
  // The machine reached a mark. The first time in a run that a mark of raft/ is
  // reached, it may be a rare moment.
  void OnMark(MachineId machine, std::string_view mark);
  // Copies no disk any more: the run will recover all of them itself.
  void End();
  // Whether a copy is due after a turn of the machine.
  bool Due(MachineId machine);
  // Whether the change for which a copy was due last is recovered.
  bool Recovers(MachineId machine) const;
  // Recovers a copy of the machine's disk, as a crash now would leave it, if
  // the last change is one to recover. `config` is the node's configuration.
  void Recover(NodeId node, MachineId machine, const node::Config& config);

  // Recovers a copy of the disk after the mishap. A violation names it.
  void RecoverAfter(const Mishap& mishap, NodeId node, MachineId machine,
                    const node::Config& config);

  // The promises of a replica to others.
  struct Promise {
    raft::Term term;
    ReplicaId voted_for;
    raft::LogPosition last;
  };
  using Promises = std::map<GroupId, Promise>;
  // The promises that a machine which is down recovers from its disk, or from
  // `files` in its place. Empty: it does not start, or a replica does not work.
  Promises Recall(MachineId machine, const node::Config& config,
                  const Files* files);

  uint64_t recoveries() const { return recoveries_; }
  // How many of them started the node.
  uint64_t starts() const { return starts_; }

 private:
  // A copy whose start succeeded.
  class Recovered;

  // `seed` is that of the copy's world.
  void RecoverNow(NodeId node, MachineId machine, const node::Config& config,
                  uint64_t seed);
  // Starts the copy, and compares its replicas. Returns the first violation, or
  // an empty string.
  std::string Start(NodeId node, const node::Config& config,
                    Recovered* recovered);
  // The first replica that does not work, or an empty string. A replica that
  // has started in the run must work. Others work unless they are not on the
  // disk.
  std::string NotWorking(NodeId node, const node::Config& config,
                         const raft::Host& host) const;
  // All groups of the file.
  static std::vector<GroupId> GroupsOf(const node::Config& config);
  // Compares the replicas with what must be durable now.
  std::string Compare(NodeId node, const node::Config& config,
                      const raft::Host& host);
  void CompareDigests(NodeId node, const node::Config& config,
                      const raft::Host& host);
  // Mishandles a copy of the disk, in some cases.
  void DrawMishap(NodeId node, MachineId machine, const node::Config& config);
  // Compares the replicas of a copy that started after the mishap with its
  // outcome. Returns the first violation, or an empty string. `joined`: groups
  // that need not have a replica.
  std::string CompareAfter(const Mishap& mishap, NodeId node,
                           const node::Config& config,
                           const std::set<GroupId>& joined,
                           const raft::Host& host) const;
  // Changes the states of a snapshot on the disk, and checks that a store
  // refuses each.
  void ChangeStates(NodeId node, MachineId machine);
  // The seed of the world of the next copy.
  uint64_t NextSeed();
  struct Followed {
    uint32_t left = 0;
    uint64_t changes = 0;  // Through the last copy.
    bool again = false;    // The node had a moment of this kind before.
    bool rarest = false;   // It is a kReplace.
  };

  World* const world_;
  ReplicaChecker* const checker_;
  std::map<MachineId, Followed> followed_;
  std::set<std::pair<MachineId, Moment>> moments_;  // All so far.
  std::set<std::string, std::less<>> marks_;        // All that were reached.
  uint32_t recoveries_ = 0;
  uint32_t rarest_ = 0;  // The recoveries that are due to a kReplace.
  uint64_t starts_ = 0;
  std::map<NodeId, std::unique_ptr<Recovered>> last_;
  uint32_t mishaps_ = 0;
  uint64_t worlds_ = 0;  // How many worlds had a copy.
  bool ended_ = false;
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_CLUSTER_SHADOW_RECOVERY_H_
