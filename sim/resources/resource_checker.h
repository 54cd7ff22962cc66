// sim/resources/resource_checker.h: checks what a running node uses against the
// bounds of its configuration, after every fourth of its turns.
//
// The bounds are those that docs/operate/running.md states. Some of them may be
// exceeded by a single request or reply, so the checker knows the largest ones
// of the run.
#ifndef QUORATE_SIM_RESOURCES_RESOURCE_CHECKER_H_
#define QUORATE_SIM_RESOURCES_RESOURCE_CHECKER_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "env/ids.h"
#include "env/time.h"
#include "node/config/config.h"
#include "node/server.h"
#include "sim/choices/sim_time.h"

namespace quorate::sim {

struct ResourceCheckerOptions {
  uint32_t nodes = 0;
  uint32_t groups = 0;
  // Groups have one voter. When it starts it commits all that its log has, in
  // one step.
  bool sole_voters = false;
  // No request and no reply of the run has more.
  uint64_t message_bytes_max = 0;
  uint64_t request_keys_max = 0;  // No request of the run names more.
  // No answer of one node to another has more, unless it is to many reads.
  uint64_t answer_bytes_max = 0;
  // The largest bounds.entry_work of the nodes: any of them may lead.
  uint64_t entry_work_max = 0;
  // The largest CoreOptions::append_bytes_max: any of them may send a node its
  // entries.
  uint64_t append_bytes_max = 0;
  // The largest bounds.peer_bytes: each node bounds what it asks.
  uint64_t peer_bytes_max = 0;
  // The most bytes of entries of a group that may reach a follower after it has
  // CoreOptions::unapplied_bytes_max to apply. Such entries are on their way,
  // or it does not know that they are committed.
  uint64_t late_entry_bytes_max = 0;
};

class ResourceChecker {
 public:
  // Applied entries of the log beyond the budget leave the memory within this
  // time.
  static constexpr Duration kEvictionMax = Seconds(10);
  // Entries and snapshots that are kept for followers go within this time, once
  // no follower needs them. A quiet group looks once in ten seconds.
  static constexpr Duration kReleaseMax = Seconds(20);

  using Report = absl::AnyInvocable<void(std::string)>;
  ResourceChecker(const ResourceCheckerOptions& options, Report violate)
      : options_(options), violate_(std::move(violate)) {}

  // The node had some turns. `config` is its configuration. `clock_stood`: it
  // knows turns by its clock (node/base/turn_work.h), so the work of one is not
  // known. `works`: no fault of its disk excuses it.
  void AfterTurns(SimTime now, NodeId node, const node::Config& config,
                  bool clock_stood, bool works, const node::ResourceUse& use);
  uint64_t checked() const { return checked_; }

 private:
  struct Seen {
    // Since when applied entries in memory exceed the budget. Max(): they do
    // not.
    SimTime log_exceeds_since = SimTime::Max();
    // The least of each backlog since it exceeds its bound, and that of their
    // sum.
    std::map<GroupId, uint64_t> backlogs;
    std::optional<uint64_t> whole_backlog;
    // Since when entries, or snapshots, are kept though no follower needs them.
    // Max(): they are not.
    SimTime retains_since = SimTime::Max();
    SimTime keeps_since = SimTime::Max();
    // The size of the keys at the last look, if the node led all its groups
    // then.
    std::optional<uint64_t> led_key_bytes;
  };

  void Require(NodeId node, std::string_view what, uint64_t used,
               uint64_t bound) {
    if (used > bound) ReportMore(node, what, used, bound);
  }
  void ReportMore(NodeId node, std::string_view what, uint64_t used,
                  uint64_t bound);
  void RequireTurns(NodeId node, const node::Config& config, bool clock_stood,
                    const node::ResourceUse& use);
  void RequireDisk(NodeId node, const node::Config& config,
                   const node::ResourceUse& use);
  void RequirePeers(NodeId node, const node::Config& config,
                    const node::ResourceUse& use);
  void RequireEviction(SimTime now, NodeId node, uint64_t budget_bytes,
                       const node::ResourceUse& use, Seen* seen);

  void RequireRelease(SimTime now, NodeId node, const node::ResourceUse& use,
                      Seen* seen);
  // Reports `what` if it lasts. `*since` is when it began, Max() if it did not.
  void RequireEnd(SimTime now, NodeId node, std::string_view what, bool is,
                  SimTime* since);
  // Writes of this node's own leaders never take the keys above the limit. Rows
  // of sessions may be added beyond it.
  void RequireMemory(NodeId node, const node::ResourceUse& use, Seen* seen);

  // A room at half of its bound is open, if all that it refused would fit.
  void RequireOpen(NodeId node, const node::ResourceUse& use);

  // A backlog above its bound, such as that of a log after a restart, does not
  // grow.
  void RequireBacklogs(NodeId node, const node::Config& config,
                       const node::ResourceUse& use, Seen* seen);

  const ResourceCheckerOptions options_;
  Report violate_;
  uint64_t checked_ = 0;
  std::map<NodeId, Seen> seen_;
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_RESOURCES_RESOURCE_CHECKER_H_
