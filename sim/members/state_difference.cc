#include "sim/members/state_difference.h"

#include <algorithm>
#include <optional>
#include <sstream>
#include <type_traits>
#include <vector>

#include "absl/strings/str_cat.h"
#include "raft/core/configuration.h"

namespace quorate::sim {
namespace {

using shardctrl::AssignedRun;
using shardctrl::ClusterState;
using shardctrl::EndedMove;
using shardctrl::FinishedOperation;
using shardctrl::GroupRecord;
using shardctrl::GroupRecovery;
using shardctrl::HistoryEntry;
using shardctrl::MoveProgress;
using shardctrl::NodeRecord;
using shardctrl::OperationId;
using shardctrl::ReportedAddresses;
using shardctrl::ReportedConfiguration;
using shardctrl::SlotMove;
using shardctrl::TokenDigest;
using shardctrl::WantedReplica;

template <typename T>
std::string TextOf(const T& value) {
  std::ostringstream text;
  if constexpr (std::is_enum_v<T>) {
    text << static_cast<int64_t>(value);
  } else {
    text << value;
  }
  return text.str();
}

std::string TextOf(const std::string& value) {
  return absl::StrCat("'", value, "'");
}

std::string TextOf(const TokenDigest& token) {
  return token.empty() ? "none" : absl::StrCat(absl::Hex(token.first));
}

std::string TextOf(const OperationId& id) {
  return absl::StrCat(absl::Hex(id.first), ".", absl::Hex(id.second));
}

std::string TextOf(const ReportedAddresses& all) {
  return absl::StrCat("{", all.peer, " ", all.resp, " ", all.resp_cluster, " ",
                      all.http, " ", all.admin, "}");
}

std::string TextOf(const SlotRange& range) {
  return absl::StrCat(range.first.value(), "-", range.last.value());
}

std::string TextOf(const raft::Member& member) {
  return absl::StrCat("node ", member.node.value(), " replica ",
                      member.replica.value());
}

std::string TextOf(const WantedReplica& wanted) {
  const bool votes = wanted.purpose == shardctrl::ReplicaPurpose::kVoter;
  return absl::StrCat(votes ? "voter on node " : "learner on node ",
                      wanted.node.value(), " replica ", wanted.replica.value(),
                      " store ", wanted.store.value());
}

std::string TextOf(const AssignedRun& run) {
  return absl::StrCat("slots ", TextOf(run.slots), " of group ",
                      run.group.value(), " epoch ", run.epoch.value());
}

template <typename T>
std::string TextOf(const std::vector<T>& list) {
  std::string text = "{";
  for (const T& one : list) {
    absl::StrAppend(&text, text.size() > 1 ? ", " : "", TextOf(one));
  }
  return text + "}";
}

std::string TextOf(const raft::Configuration& configuration) {
  return absl::StrCat("generation ", configuration.generation, " voters ",
                      TextOf(configuration.voters), " outgoing ",
                      TextOf(configuration.outgoing_voters), " learners ",
                      TextOf(configuration.learners), " next learners ",
                      TextOf(configuration.next_learners), " kind ",
                      configuration.machine_kind, " level ",
                      configuration.level.value());
}

std::string TextOf(const ReportedConfiguration& reported) {
  return absl::StrCat(
      "number ", reported.number, " of node ", reported.leader.value(),
      " in term ", reported.term.value(), " at term ",
      reported.position.term.value(), " index ",
      reported.position.index.value(), ": ", TextOf(reported.configuration),
      reported.next.has_value() ? " next " + TextOf(*reported.next) : "", " '",
      reported.problem, "'");
}

std::string TextOf(const GroupRecovery& recovery) {
  return absl::StrCat("node ", recovery.node.value(), " replica ",
                      recovery.replica.value(), " generation ",
                      recovery.generation);
}

std::string TextOf(const MoveProgress& progress) {
  return absl::StrCat("report ", progress.report, " in term ",
                      progress.term.value(), ", phases ",
                      static_cast<int>(progress.source), " and ",
                      static_cast<int>(progress.destination),
                      ", longest pause ", TextOf(progress.longest_pause));
}

std::string TextOf(const HistoryEntry& entry) {
  return absl::StrCat("'", entry.text, "' of version ", entry.version.value(),
                      " at ", TextOf(entry.log_time));
}

std::string TextOf(const FinishedOperation& operation) {
  return absl::StrCat(TextOf(operation.id), " at ", TextOf(operation.log_time));
}

template <typename T>
std::string TextOf(const std::optional<T>& value) {
  return value.has_value() ? TextOf(*value) : "none";
}

// The first difference of some fields.
class Difference {
 public:
  explicit Difference(std::string place) : place_(std::move(place)) {}

  template <typename T>
  Difference& Compare(const char* field, const T& shown, const T& expected) {
    if (text_.empty() && !(shown == expected)) {
      text_ = absl::StrCat(place_, field, " is ", TextOf(shown), " instead of ",
                           TextOf(expected));
    }
    return *this;
  }
  const std::string& text() const { return text_; }

 private:
  const std::string place_;
  std::string text_;
};

std::string Find(const NodeRecord& a, const NodeRecord& b) {
  return Difference(absl::StrCat("node ", b.id.value(), ": "))
      .Compare("id", a.id, b.id)
      .Compare("name", a.name, b.name)
      .Compare("zone", a.zone, b.zone)
      .Compare("host", a.host, b.host)
      .Compare("weight", a.weight, b.weight)
      .Compare("role", a.role, b.role)
      .Compare("state", a.state, b.state)
      .Compare("store", a.store, b.store)
      .Compare("former_store", a.former_store, b.former_store)
      .Compare("addresses", a.addresses, b.addresses)
      .Compare("start_number", a.start_number, b.start_number)
      .Compare("token", a.token, b.token)
      .Compare("token_expires", a.token_expires, b.token_expires)
      .Compare("leaving", a.leaving, b.leaving)
      .Compare("lost", a.lost, b.lost)
      .Compare("empty", a.empty, b.empty)
      .Compare("silent_since", a.silent_since, b.silent_since)
      .Compare("dead", a.dead, b.dead)
      .text();
}

std::string Find(const GroupRecord& a, const GroupRecord& b) {
  return Difference(absl::StrCat("group ", b.id.value(), ": "))
      .Compare("id", a.id, b.id)
      .Compare("name", a.name, b.name)
      .Compare("replicas", a.replicas, b.replicas)
      .Compare("weight", a.weight, b.weight)
      .Compare("wanted", a.wanted, b.wanted)
      .Compare("preferred_leader", a.preferred_leader, b.preferred_leader)
      .Compare("founded", a.founded, b.founded)
      .Compare("first", a.first, b.first)
      .Compare("reported", a.reported, b.reported)
      .Compare("recovery", a.recovery, b.recovery)
      .Compare("retiring", a.retiring, b.retiring)
      .Compare("awaits_share", a.awaits_share, b.awaits_share)
      .text();
}

std::string Find(const SlotMove& a, const SlotMove& b) {
  return Difference(absl::StrCat("move ", b.id.value(), ": "))
      .Compare("id", a.id, b.id)
      .Compare("slots", a.slots, b.slots)
      .Compare("from", a.from, b.from)
      .Compare("to", a.to, b.to)
      .Compare("began", a.began, b.began)
      .Compare("rate_max", a.rate_max, b.rate_max)
      .Compare("paused", a.paused, b.paused)
      .Compare("decision", a.decision, b.decision)
      .Compare("reason", a.reason, b.reason)
      .Compare("progress", a.progress, b.progress)
      .Compare("source_ended", a.source_ended, b.source_ended)
      .Compare("destination_ended", a.destination_ended, b.destination_ended)
      .text();
}

std::string Find(const EndedMove& a, const EndedMove& b) {
  if (!(a.move == b.move)) return "ended " + Find(a.move, b.move);
  return Difference(absl::StrCat("ended move ", b.move.id.value(), ": "))
      .Compare("ended", a.ended, b.ended)
      .text();
}

std::string Find(const AssignedRun& a, const AssignedRun& b) {
  return Difference("").Compare("a run", a, b).text();
}

std::string Find(const HistoryEntry& a, const HistoryEntry& b) {
  return Difference("history: ").Compare("an entry", a, b).text();
}

std::string Find(const FinishedOperation& a, const FinishedOperation& b) {
  return Difference("operations: ").Compare("one", a, b).text();
}

// The first element that differs, or the numbers of elements.
template <typename T>
std::string FindIn(const char* what, const std::vector<T>& shown,
                   const std::vector<T>& expected) {
  for (size_t i = 0; i < std::min(shown.size(), expected.size()); ++i) {
    if (!(shown[i] == expected[i])) return Find(shown[i], expected[i]);
  }
  if (shown.size() == expected.size()) return "";
  return absl::StrCat(shown.size(), " ", what, " instead of ", expected.size());
}

}  // namespace

std::string FindDifference(const ClusterState& shown,
                           const ClusterState& expected) {
  if (shown == expected) return "";
  std::string found;
  const auto look = [&](std::string difference) {
    if (found.empty()) found = std::move(difference);
  };
  look(FindIn("nodes", shown.nodes, expected.nodes));
  look(FindIn("groups", shown.groups, expected.groups));
  look(FindIn("runs of slots", shown.slots, expected.slots));
  look(FindIn("moves", shown.moves, expected.moves));
  look(FindIn("ended moves", shown.ended_moves, expected.ended_moves));
  look(FindIn("entries of the history", shown.history, expected.history));
  look(FindIn("operations", shown.operations, expected.operations));
  look(Difference("")
           .Compare("version", shown.version, expected.version)
           .Compare("repair_after", shown.repair_after, expected.repair_after)
           .Compare("next_node", shown.next_node, expected.next_node)
           .Compare("next_group", shown.next_group, expected.next_group)
           .Compare("next_move", shown.next_move, expected.next_move)
           .Compare("partitioner", shown.partitioner, expected.partitioner)
           .Compare("slot_count", shown.slot_count, expected.slot_count)
           .Compare("default_replicas", shown.default_replicas,
                    expected.default_replicas)
           .text());
  return found.empty() ? "the template of new groups" : found;
}

}  // namespace quorate::sim
