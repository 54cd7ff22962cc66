// node/controller/controller_link.h: asks the leader of the controller's group,
// wherever it is, and answers for it to other nodes.
//
// Questions travel as requests between nodes (node/peers/peer_link.h). A
// question whose answer is lost is asked again until its deadline: commands of
// operators have an operation id, and reports may come twice.
#ifndef QUORATE_NODE_CONTROLLER_CONTROLLER_LINK_H_
#define QUORATE_NODE_CONTROLLER_CONTROLLER_LINK_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "env/buffer.h"
#include "env/env.h"
#include "env/ids.h"
#include "env/pending.h"
#include "env/time.h"
#include "node/admin/controller_access.h"
#include "node/controller/candidate_turn.h"
#include "node/peers/peer_links.h"
#include "node/peers/peer_message.h"
#include "raft/host/host.h"
#include "shardctrl/controller/machine.h"

namespace quorate::node {

// A question. The numbers are those of the first byte of a request.
enum class ControllerQuestion : uint8_t {
  kCommand = 1,  // Executes an encoded command. The answer is encoded, too.
  kDryRun = 2,   // The answer that the command would get.
  // The state: the rest is the version that the asker has, in 8 bytes. Empty
  // if there is no other one.
  kState = 3,  // As of now: all commands that were answered before.
  kHint = 4,   // The newest state that this node knows. It may be old.
  kUsage = 5,  // NodeUsage of the asked node.
  // The asked node's replica of a group, whose id is the rest, in 4 bytes.
  kReplica = 6,
  // The asked node recovers the controller's own group from its replica with
  // this id, 8 bytes, under this generation, 8 bytes.
  kRecover = 7,
};

class ControllerLink {
 public:
  // The answer. kUnavailable: no leader answered before the deadline. kUnknown:
  // a leader may have executed the command, or may do so later.
  using Done = absl::AnyInvocable<void(absl::StatusOr<Buffer>)>;
  // The nodes that may hold a replica of the controller's group, the likeliest
  // first. It has this node only if it holds one.
  using Candidates = std::function<std::vector<NodeId>()>;
  using Finished = absl::AnyInvocable<void(absl::Status)>;
  // The part of this node in the answers.
  struct Own {
    std::function<NodeUsage()> usage;
    // The newest state that this node knows; null: none.
    std::function<const shardctrl::ClusterState*()> known;
    std::function<shardctrl::Survivor(GroupId)> held;
    std::function<void(ReplicaId, uint64_t generation, Finished)> recover;
  };

  // Questions of this node that wait at a time. Further ones fail at once.
  static constexpr size_t kWaitingMax = 256;

  // All outlive the object.
  ControllerLink(env::Env& env, raft::Host& host, PeerLinks& links, NodeId self,
                 Candidates candidates, Own own)
      : env_(env),
        host_(host),
        links_(links),
        self_(self),
        candidates_(std::move(candidates)),
        own_(std::move(own)) {}
  ControllerLink(const ControllerLink&) = delete;
  ControllerLink& operator=(const ControllerLink&) = delete;

  // `done` is called once, perhaps during the call, unless the object is
  // destroyed first.
  void Ask(ControllerQuestion question, std::string body, Duration within,
           Done done);
  // The answer of one node, once. Nothing: it did not answer in time.
  using OneAnswer = absl::AnyInvocable<void(std::optional<Buffer>)>;
  // Asks one node for the newest state that it knows. If `node` is zero, each
  // time another one: the controller may be on nodes that this one does not
  // know yet. Empty: the asked node has none newer than `version`.
  void AskHint(NodeId node, shardctrl::MapVersion version, OneAnswer done);
  // Asks another node for its usage, once. Nothing: it did not answer in time.
  void AskUsage(NodeId node,
                absl::AnyInvocable<void(std::optional<NodeUsage>)> done);
  // Asks another node for its replica of a group in the same way.
  void AskReplica(
      NodeId node, GroupId group,
      absl::AnyInvocable<void(std::optional<shardctrl::Survivor>)> done);
  // Lets a node, which may be this one, recover the controller's own group.
  //
  // kUnavailable: no message reached the node. kUnknown: it did not answer in
  // time, and may recover the group.
  void Recover(NodeId node, ReplicaId replica, uint64_t generation,
               Finished done);
  // A question of another node.
  void Answer(Buffer request, PeerDone done);
  // This node's replica; null if it has none that works.
  const shardctrl::ControllerMachine* machine() const;
  // This node's replica has the newest state, or soon will. A replica that the
  // group has removed, or that is cut off, has an old one.
  bool follows() const;
  // This node leads the controller's group.
  bool leads() const;
  // True if no question waits.
  bool idle() const { return open_ == 0; }

 private:
  struct Question {
    Buffer request;
    MonoTime deadline;
    Done done;
    uint64_t attempts = 0;
    // The last node that it was meant for, reached or not.
    NodeId asked = {};
    // A command that was passed on, and whose outcome is not known.
    bool passed_on = false;
  };
  using Waiting = std::shared_ptr<Question>;

  // Whether there is a link with room for the request.
  bool CanSend(NodeId target, const Buffer& request) const;
  // Requires: CanSend.
  void Send(NodeId target, const Buffer& request, PeerDone done);
  void SendOnce(NodeId target, const Buffer& request, OneAnswer done);
  // A question about this node alone: kUsage, kReplica or kRecover.
  void AnswerOwn(ControllerQuestion question, std::string_view body,
                 PeerDone done);
  void Try(const Waiting& question);
  void TryAgain(const Waiting& question);
  void RetryAll();
  void OnAnswer(const Waiting& question, NodeId asked, PeerResult answer);
  void Finish(const Waiting& question, absl::StatusOr<Buffer> answer);
  // Zero: none is known.
  NodeId Target(const Question& question) const;
  PeerResult NotLeading() const;
  MonoTime MonoNow() const { return env_.loop.ReadClock().mono; }

  env::Env& env_;
  raft::Host& host_;
  PeerLinks& links_;
  const NodeId self_;
  const Candidates candidates_;
  const Own own_;
  uint64_t hints_ = 0;  // The number of calls of AskHint.
  CandidateTurn turn_;
  // The leader that another node named last; zero: none.
  NodeId hint_;
  size_t open_ = 0;
  std::deque<Waiting> again_;
  env::Pending retry_;
};

}  // namespace quorate::node

#endif  // QUORATE_NODE_CONTROLLER_CONTROLLER_LINK_H_
