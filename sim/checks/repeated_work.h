// sim/checks/repeated_work.h: checks that leaders repeat little work while no
// fault is left: entries and chunks of snapshots that a member has already.
//
// It is told of the steps of all replicas between Begin and End. A leader that
// began meanwhile does not know yet what the members have, so it may send a
// window once more. So may the first transfer of a snapshot to a member, which
// lacks it. Nothing else may be repeated.
#ifndef QUORATE_SIM_CHECKS_REPEATED_WORK_H_
#define QUORATE_SIM_CHECKS_REPEATED_WORK_H_

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/functional/function_ref.h"
#include "env/ids.h"
#include "raft/core/core.h"

namespace quorate::sim {

class RepeatedWork {
 public:
  // The most bytes that a leader may have under way to one member.
  struct Windows {
    uint64_t entry_bytes = 0;
    uint64_t chunk_bytes = 0;
  };
  using Report = absl::AnyInvocable<void(std::string)>;
  // The replica of the group, or null: it does not run.
  using Find = absl::FunctionRef<const raft::Core*(ReplicaId)>;

  explicit RepeatedWork(Report violate) : violate_(std::move(violate)) {}

  // No fault is left from now on.
  void Begin(const Windows& windows);
  void End() { windows_.reset(); }
  // A replica of the group made a step. Without Begin it has no effect.
  void OnStep(GroupId group, const raft::Core& core, const raft::Output& output,
              Find find);

 private:
  // The bytes that a leader sent one member in one term.
  struct Sent {
    uint64_t entry_bytes = 0;  // The member had these entries.
    uint64_t chunk_bytes = 0;  // The member had these chunks.
    // The snapshots of transfers that began when the member lacked them.
    std::set<raft::Index> snapshots;
  };
  struct Group {
    // The first term seen: its leader began before Begin, if there was one.
    raft::Term first;
    std::map<std::pair<raft::Term, ReplicaId>, Sent> sent;
    // The newest snapshot that a member accepted, and the bytes of it.
    struct Accepted {
      raft::LogPosition snapshot;
      uint64_t end = 0;
    };
    std::map<ReplicaId, Accepted> accepted;
  };

  void OnSnapshotWork(Group* group, const raft::Core& core,
                      const raft::SnapshotWork& work, Find find);
  void OnMessage(GroupId id, Group* group, const raft::Message& message,
                 Find find);
  void Require(GroupId id, const raft::Message& message, std::string_view what,
               uint64_t bytes, uint64_t bound);

  Report violate_;
  std::optional<Windows> windows_;
  std::map<GroupId, Group> groups_;
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_CHECKS_REPEATED_WORK_H_
