#include "sim/harness/wrong_requests.h"

#include <iterator>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "env/buffer.h"
#include "env/outcome.h"
#include "env/transport.h"
#include "raft/core/configuration.h"
#include "raft/core/core.h"
#include "raft/core/entry.h"
#include "raft/core/types.h"

namespace quorate::sim {
namespace {

using Code = absl::StatusCode;
using Done = WrongRequest::Done;

constexpr ChoiceSite kAsks("wrong_request.asks");
constexpr ChoiceSite kWhich("wrong_request.which");
constexpr ChoiceSite kFirst("wrong_request.first");
constexpr Ratio kAsksRatio{1, 20};
// No node has a replica of it.
constexpr GroupId kUnknown(99);

raft::Host::ProposeDone StatusOf(Done done) {
  return [done = std::move(done)](const raft::ProposeResult& result) mutable {
    done(result.outcome == Outcome::kNotExecuted ? result.status
                                                 : absl::OkStatus());
  };
}

absl::Status SetPeers(raft::Host& host, std::vector<NodeId> nodes) {
  std::vector<env::PeerAddress> peers;
  for (const NodeId node : nodes) peers.push_back({node, "nowhere:1"});
  return host.SetPeers(std::move(peers));
}

constexpr WrongRequest kRequests[] = {
    {"itself as a peer", Code::kInvalidArgument,
     [](raft::Host& host, GroupId, Done done) {
       done(SetPeers(host, {host.identity().node}));
     }},
    {"a peer that is named twice", Code::kInvalidArgument,
     [](raft::Host& host, GroupId, Done done) {
       done(SetPeers(host, {NodeId(70), NodeId(70)}));
     }},
    {"a command of an unknown group", Code::kNotFound,
     [](raft::Host& host, GroupId, Done done) {
       host.Propose(kUnknown, Buffer::Copy("x"), StatusOf(std::move(done)));
     }},
    {"a command above the limit of an entry", Code::kInvalidArgument,
     [](raft::Host& host, GroupId running, Done done) {
       host.Propose(
           running,
           Buffer::Take(std::string(raft::kEntryPayloadBytesMax + 1, 'x')),
           StatusOf(std::move(done)));
     }},
    {"a read of an unknown group", Code::kNotFound,
     [](raft::Host& host, GroupId, Done done) {
       host.Read(kUnknown, std::move(done));
     }},
    {"a change of an unknown group", Code::kNotFound,
     [](raft::Host& host, GroupId, Done done) {
       host.ChangeConfiguration(kUnknown, raft::Index(1), {},
                                StatusOf(std::move(done)));
     }},
    {"the drop of an unknown group", Code::kNotFound,
     [](raft::Host& host, GroupId, Done done) {
       host.DropReplica(kUnknown, std::move(done));
     }},
    {"a founding without a preparation", Code::kFailedPrecondition,
     [](raft::Host& host, GroupId, Done done) {
       host.FoundReplica(kUnknown, {}, std::move(done));
     }},
    {"a second replica of a group", Code::kAlreadyExists,
     [](raft::Host& host, GroupId running, Done done) {
       host.PrepareReplica(running,
                           [done = std::move(done)](
                               const absl::StatusOr<ReplicaId>& id) mutable {
                             done(id.status());
                           });
     }},
    {"a second founding of a group", Code::kAlreadyExists,
     [](raft::Host& host, GroupId running, Done done) {
       host.FoundReplica(running, host.core(running)->configuration(),
                         std::move(done));
     }},
    {"a change with another base",
     {},
     [](raft::Host& host, GroupId running, Done done) {
       host.ChangeConfiguration(running, raft::Index(~uint64_t{0}),
                                host.core(running)->configuration(),
                                StatusOf(std::move(done)));
     }},
    {.what = "the present configuration",
     .change = [](raft::Configuration*) {}},
    {.what = "no voter",
     .change = [](raft::Configuration* c) { c->voters.clear(); }},
    {.what = "a voter that is named twice",
     .change =
         [](raft::Configuration* c) { c->voters.push_back(c->voters.back()); }},
    {.what = "a voter that learns",
     .change =
         [](raft::Configuration* c) { c->learners = {c->voters.front()}; }},
    {.what = "a next learner that leaves no quorum",
     .change =
         [](raft::Configuration* c) {
           c->next_learners = {c->voters.front()};
         }},
    {.what = "a voter on two nodes",
     .change =
         [](raft::Configuration* c) {
           c->outgoing_voters = {c->voters.front()};
           c->outgoing_voters.front().node = NodeId(98);
         }},
    {.what = "too many learners",
     .change =
         [](raft::Configuration* c) {
           c->learners.clear();
           for (uint64_t i = 0; i <= raft::kConfigurationMembersMax; ++i) {
             c->learners.push_back({.replica = ReplicaId(1 + i),
                                    .node = NodeId(98),
                                    .store = c->voters.front().store});
           }
         }},
    {.what = "a long note",
     .change =
         [](raft::Configuration* c) {
           c->voters.front().note =
               Buffer::Take(std::string(raft::kMemberNoteBytesMax + 1, 'n'));
         }},
    {.what = "a negative lease",
     .change =
         [](raft::Configuration* c) { c->lease_length = Nanoseconds(-1); }},
    {.what = "no level",
     .change = [](raft::Configuration* c) { c->level = raft::Level(); }},
    {.what = "a level that no program knows",
     .change = [](raft::Configuration* c) { c->level = raft::Level(9'999); }},
    {.what = "long parameters",
     .change =
         [](raft::Configuration* c) {
           c->parameters =
               Buffer::Take(std::string(raft::kParametersBytesMax + 1, 'p'));
         }},
    {.what = "a voter that has not caught up",
     .change =
         [](raft::Configuration* c) {
           raft::Member other = c->voters.back();
           other.replica = ReplicaId(~uint64_t{0});
           other.node = NodeId(98);
           c->voters.push_back(other);
         }},
};

// A request for a replica that is prepared.
constexpr WrongRequest kGivenUp = {"a preparation before another one",
                                   Code::kAborted};
constexpr WrongRequest kWhileDropped = {"a replica that is being dropped",
                                        Code::kUnavailable};
constexpr WrongRequest kFounding = {"a founding with a wrong entry 1"};

// Entry 1 that does not fit the prepared replica.
raft::Configuration WrongFirst(const raft::Host& host, ReplicaId prepared,
                               uint64_t kind) {
  raft::Configuration first;
  first.level = host.founded_level();
  first.hash_key = host.hash_key();
  raft::Member self = {.replica = prepared,
                       .node = host.identity().node,
                       .store = host.identity().incarnation};
  switch (kind) {
    case 0:
      return first;  // No voter.
    case 1:
      self.node = NodeId(98);
      break;
    case 2:
      ++first.hash_key;
      break;
    default:
      first.level = raft::Level(9'999);
      break;
  }
  first.voters = {self};
  return first;
}
constexpr uint64_t kWrongFirsts = 4;

}  // namespace

absl::Span<const WrongRequest> WrongRequests() { return kRequests; }

std::string WrongAnswer(const WrongRequest& request,
                        const absl::Status& status) {
  const bool refused = !status.ok() && (!request.code.has_value() ||
                                        status.code() == *request.code);
  return refused ? ""
                 : absl::StrCat(std::string(request.what), " is answered with ",
                                status.ToString());
}

void WrongRequester::Check(size_t node, raft::Host* host,
                           const WrongRequest& request,
                           const absl::Status& status) {
  --nodes_[node].calls;
  // A host that has failed refuses for that reason.
  if (!host->status().ok()) return;
  const std::string wrong = WrongAnswer(request, status);
  if (wrong.empty()) {
    world_.CountMark(machines_[node], "operator.refused");
  } else {
    world_.Violate(absl::StrCat("wrong request: node ", node + 1, ": ", wrong));
  }
}

void WrongRequester::OnTick(size_t node, raft::Host* host, GroupId running) {
  Node& state = nodes_[node];
  if (state.calls > 0 || !host->status().ok()) return;
  const ChoiceKey key{node + 1, ++state.draws};
  Choices& choices = world_.choices();
  if (host->prepared().contains(kStray)) {
    return Found(node, host, choices.Below(kFirst, key, kWrongFirsts));
  }
  if (!asks_ || !choices.Chance(kAsks, key, kAsksRatio)) return;
  const uint64_t which = choices.Below(kWhich, key, std::size(kRequests) + 2);
  if (which >= std::size(kRequests)) {
    return Prepare(node, host, which > std::size(kRequests));
  }
  if (!host->group_status(running).ok()) return;
  const WrongRequest& request = kRequests[which];
  ++state.calls;
  Done done = [this, node, host, &request](const absl::Status& status) {
    Check(node, host, request, status);
  };
  if (request.ask != nullptr) {
    return request.ask(*host, running, std::move(done));
  }
  const raft::Core& core = *host->core(running);
  raft::Configuration target = core.configuration();
  request.change(&target);
  host->ChangeConfiguration(running, core.configuration_index(),
                            std::move(target), StatusOf(std::move(done)));
}

void WrongRequester::Prepare(size_t node, raft::Host* host, bool twice) {
  ++nodes_[node].calls;
  host->PrepareReplica(
      kStray, [this, node, host, twice](const absl::StatusOr<ReplicaId>& id) {
        if (twice) return Check(node, host, kGivenUp, id.status());
        --nodes_[node].calls;
      });
  if (twice) Prepare(node, host, false);
}

void WrongRequester::Found(size_t node, raft::Host* host, uint64_t kind) {
  ++nodes_[node].calls;
  const ReplicaId prepared = host->prepared().at(kStray);
  host->FoundReplica(kStray, WrongFirst(*host, prepared, kind),
                     [this, node, host](const absl::Status& status) {
                       Check(node, host, kFounding, status);
                       if (!status.ok()) Drop(node, host);
                     });
}

// Until the drop has ended, nothing can be done with the group.
void WrongRequester::Drop(size_t node, raft::Host* host) {
  nodes_[node].calls += 3;
  const auto refuse = [this, node, host](const absl::Status& status) {
    Check(node, host, kWhileDropped, status);
  };
  host->DropReplica(
      kStray, [this, node](const absl::Status&) { --nodes_[node].calls; });
  host->DropReplica(kStray, refuse);
  host->PrepareReplica(kStray, [refuse](const absl::StatusOr<ReplicaId>& id) {
    refuse(id.status());
  });
}

}  // namespace quorate::sim
