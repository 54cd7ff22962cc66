#include "raft/service/members.h"

#include <algorithm>
#include <memory>
#include <set>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "env/host_port.h"
#include "env/parse_integer.h"
#include "raft/core/configuration.h"

namespace quorate::raft {
namespace {

constexpr char kNoMember[] = "not yet: this node is no member, ask one";

// A second try gives the same.
std::string No(std::string_view why) {
  return absl::StrCat("no: ", std::string(why));
}

std::string NotYet(const absl::Status& why) {
  if (absl::IsInvalidArgument(why)) return No(std::string(why.message()));
  return absl::StrCat("not yet: ", std::string(why.message()));
}

std::string Hex(std::string_view bytes) {
  return absl::BytesToHexString(std::string(bytes));
}

template <typename Id, typename Value>
bool Parse(const std::string& word, Id* id) {
  Value value = 0;
  if (!ParseInteger(word, &value)) return false;
  *id = Id(value);
  return true;
}

}  // namespace

bool Members::Handle(std::string_view line, Reply& reply) {
  const std::vector<std::string> words = absl::StrSplit(std::string(line), ' ');
  const std::string& verb = words[0];
  const Core* const core = host_.core(group_);
  Member member;
  const bool names_node =
      words.size() > 1 && Parse<NodeId, uint32_t>(words[1], &member.node);
  if (verb == "peer" && words.size() == 3 && names_node) {
    SetPeer(member.node, words[2], std::move(reply));
  } else if (verb == "members" && words.size() == 1) {
    if (core == nullptr) return reply(kNoMember), true;
    std::set<NodeId> nodes;
    for (const Member& voter : core->configuration().voters) {
      nodes.insert(voter.node);
    }
    std::string text = "ok";
    for (const NodeId node : nodes) absl::StrAppend(&text, " ", node.value());
    reply(text);
  } else if (verb == "configuration" && words.size() == 1) {
    if (core == nullptr || core->joining()) return reply(kNoMember), true;
    const Buffer bytes = EncodeConfiguration(core->configuration());
    reply(absl::StrCat("ok ", Hex(bytes.view())));
  } else if ((verb == "join" || verb == "leave") && words.size() == 2) {
    const auto known = DecodeConfiguration(absl::HexStringToBytes(words[1]));
    if (!known.ok()) return reply(No("this is no configuration")), true;
    if (verb == "join") {
      Join(*known, std::move(reply));
    } else {
      Leave(*known, std::move(reply));
    }
  } else if (verb == "member" && words.size() == 4 && names_node &&
             Parse<ReplicaId, uint64_t>(words[2], &member.replica) &&
             Parse<StoreIncarnation, uint64_t>(words[3], &member.store)) {
    Add(member, std::move(reply));
  } else if (verb == "remove" && words.size() == 2 && names_node) {
    Remove(member.node, ReplicaId(), std::move(reply));
  } else if (verb == "remove" && words.size() == 3 && names_node &&
             Parse<ReplicaId, uint64_t>(words[2], &member.replica)) {
    Remove(member.node, member.replica, std::move(reply));
  } else {
    return false;
  }
  return true;
}

absl::Status Members::Admit(const JoinRequest& request) const {
  for (const env::PeerAddress& peer : peers_) {
    if (peer.node == request.node) return absl::OkStatus();
  }
  return absl::PermissionDeniedError(
      absl::StrCat("node ", request.node.value(), " is no peer here"));
}

void Members::SetPeer(NodeId node, std::string address, Reply reply) {
  const auto parsed = ParseHostPort(address);
  if (!parsed.ok() || node == NodeId()) {
    return reply(No("a peer is a node id from 1 and HOST:PORT"));
  }
  std::vector<env::PeerAddress> peers = peers_;
  std::erase_if(
      peers, [&](const env::PeerAddress& peer) { return peer.node == node; });
  peers.push_back({node, std::move(address)});
  const absl::Status set = host_.SetPeers(peers);
  if (set.ok()) peers_ = std::move(peers);
  reply(set.ok() ? "ok" : NotYet(set));
}

// The id is durable before any other node hears of it.
void Members::Join(const Configuration& known, Reply reply) {
  const Core* const core = host_.core(group_);
  const auto prepared = host_.prepared();
  const auto found = prepared.find(group_);
  if (core != nullptr) return JoinAs(core->replica(), known, std::move(reply));
  if (found != prepared.end()) {
    return JoinAs(found->second, known, std::move(reply));
  }
  host_.PrepareReplica(group_, [this, known, reply = std::move(reply)](
                                   absl::StatusOr<ReplicaId> id) mutable {
    if (!id.ok()) return reply(NotYet(id.status()));
    JoinAs(*id, std::move(known), std::move(reply));
  });
}

void Members::JoinAs(ReplicaId id, Configuration known, Reply reply) {
  host_.JoinReplica(
      group_, id, std::move(known),
      [this, id, reply = std::move(reply)](absl::Status status) mutable {
        if (!status.ok()) return reply(NotYet(status));
        reply(absl::StrCat("ok ", id.value(), " ",
                           host_.identity().incarnation.value()));
      });
}

// A learner counts in no majority until it has caught up. Then it takes the
// place of an earlier replica on its node, whose store was lost.
void Members::Add(const Member& member, Reply reply) {
  const Core* const core = host_.core(group_);
  const bool known =
      host_.identity().node == member.node ||
      (core != nullptr && IsMember(core->configuration(), member.replica)) ||
      std::any_of(peers_.begin(), peers_.end(),
                  [&](const auto& peer) { return peer.node == member.node; });
  if (!known || member.replica == ReplicaId() ||
      member.store == StoreIncarnation()) {
    return reply(
        No("type the line 'peer' of this node on all others, and the "
           "numbers that its 'join' printed"));
  }
  Step(
      [member](Configuration* target) {
        if (IsVoter(*target, member.replica)) return;
        const auto is_it = [&](const Member& other) {
          return other.replica == member.replica;
        };
        const auto is_there = [&](const Member& other) {
          return other.node == member.node;
        };
        const bool learns = std::any_of(target->learners.begin(),
                                        target->learners.end(), is_it);
        std::erase_if(target->learners, is_there);
        if (learns) std::erase_if(target->voters, is_there);
        (learns ? target->voters : target->learners).push_back(member);
      },
      std::move(reply));
}

void Members::Remove(NodeId node, ReplicaId replica, Reply reply) {
  Step(
      [node, replica](Configuration* target) {
        const auto is_there = [&](const Member& member) {
          return member.node == node &&
                 (replica == ReplicaId() || member.replica == replica);
        };
        std::erase_if(target->voters, is_there);
        std::erase_if(target->learners, is_there);
      },
      std::move(reply));
}

void Members::Step(absl::AnyInvocable<void(Configuration*)> step, Reply reply) {
  const Core* const core = host_.core(group_);
  if (core == nullptr || core->role() != RoleKind::kLeader) {
    const NodeId leader = host_.leader(group_);
    if (leader == NodeId()) return reply("not yet: no node is known to lead");
    return reply(
        absl::StrCat("not yet: node ", leader.value(), " leads, ask there"));
  }
  const Configuration& present = core->configuration();
  Configuration target = present;
  step(&target);
  SortMembers(&target.voters);
  SortMembers(&target.learners);
  if (target == present && present.outgoing_voters.empty() &&
      core->configuration_index() <= core->commit_index()) {
    return reply("ok");
  }
  host_.ChangeConfiguration(
      group_, core->configuration_index(), std::move(target),
      [reply = std::move(reply)](const ProposeResult& result) mutable {
        reply(result.outcome == Outcome::kDone ? "not yet: a step is done"
                                               : NotYet(result.status));
      });
}

// Groups lose their majority if members leave.
void Members::Leave(const Configuration& present, Reply reply) {
  const Core* const core = host_.core(group_);
  const bool settled =
      !present.voters.empty() && present.outgoing_voters.empty();
  if (!settled || (core != nullptr && (core->role() == RoleKind::kLeader ||
                                       IsMember(present, core->replica())))) {
    return reply("not yet: by this configuration the node is not removed");
  }
  host_.DropReplica(group_,
                    [reply = std::move(reply)](absl::Status status) mutable {
                      const bool gone = status.ok() || absl::IsNotFound(status);
                      reply(gone ? "ok" : NotYet(status));
                    });
}

}  // namespace quorate::raft
