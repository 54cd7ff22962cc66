// raft/service/members.h: how a group grows and shrinks, as lines that a
// server gets from operators:
//
//   peer N HOST:PORT         every other node: node N is there, and may join.
//                            Name it in the flags of these nodes as well
//   members                  ok NODE…, the nodes of the voters, as this node
//                            knows
//   configuration            ok HEX, what a node needs to join
//   join HEX                 a new node: ok REPLICA STORE. Its replica waits
//   member N REPLICA STORE   the leader: the replica learns, then it votes in
//                            place of an earlier one on node N
//   remove N [REPLICA]       the leader: node N, or this replica on it, has no
//                            vote any more
//   leave HEX                a node that was removed: its replica goes. HEX is
//                            the configuration that a member gives now
//
// A command of several steps does the next one, and says "not yet: REASON"
// until nothing is left to do. After a crash the operator asks again. A
// command that can never be done says "no: REASON".
#ifndef QUORATE_RAFT_SERVICE_MEMBERS_H_
#define QUORATE_RAFT_SERVICE_MEMBERS_H_

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "env/env.h"
#include "raft/host/host.h"

namespace quorate::raft {

class Members {
 public:
  using Reply = absl::AnyInvocable<void(std::string line)>;

  // The host outlives the object.
  Members(Host& host, GroupId group, std::vector<env::PeerAddress> peers)
      : host_(host), group_(group), peers_(std::move(peers)) {}

  // False, and `reply` is left: the line is no command about members.
  bool Handle(std::string_view line, Reply& reply);
  // A new store is admitted if its node is a peer of this one.
  absl::Status Admit(const JoinRequest& request) const;

 private:
  void SetPeer(NodeId node, std::string address, Reply reply);
  void Join(const Configuration& known, Reply reply);
  void JoinAs(ReplicaId id, Configuration known, Reply reply);
  void Add(const Member& member, Reply reply);
  // Zero: all replicas of the node.
  void Remove(NodeId node, ReplicaId replica, Reply reply);
  void Leave(const Configuration& present, Reply reply);
  // Proposes the next step towards a goal. `step` changes the configuration,
  // or leaves it as it is: then the goal is reached.
  void Step(absl::AnyInvocable<void(Configuration*)> step, Reply reply);

  Host& host_;
  const GroupId group_;
  std::vector<env::PeerAddress> peers_;
};

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_SERVICE_MEMBERS_H_
