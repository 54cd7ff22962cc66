// raft/host/founding.h: how the stores of a new cluster agree on its bootstrap
// record, and how they learn it later.
//
// The plan of all nodes is the same, since the handshake compares it. The first
// node of the plan is the founder. A store without a record asks all its peers,
// again and again, until one of them answers with a record that gives it its
// part. The founder composes the record itself once every node of the plan has
// answered that it has none. The record is decided when it is durable in the
// founder's store. A store that has it answers the others for good.
#ifndef QUORATE_RAFT_HOST_FOUNDING_H_
#define QUORATE_RAFT_HOST_FOUNDING_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "env/buffer.h"
#include "env/env.h"
#include "env/ids.h"
#include "env/time.h"
#include "raft/host/bootstrap_record.h"
#include "raft/host/service.h"

namespace quorate::raft {

// ---- Messages. Layout: docs/reference/formats/founding.md.

// The version of the format, behind the checksum of every message.
inline constexpr uint8_t kFoundingVersion = 1;

struct FoundingMessage {
  enum class Kind : uint8_t {
    // The sender's store has no record. Does the receiver know one?
    kAsk = 1,
    // The answers. The sender has no record either.
    kUnfounded = 2,
    // The sender has a record that gives the asker its part.
    kRecord = 3,
    // The sender has a record of which the asker's store is no part.
    kNoPart = 4,
  };
  Kind kind = Kind::kAsk;
  // The store that asked. An answer to an earlier store of the node does not
  // count. Zero in kAsk.
  StoreIncarnation asker;
  Buffer record;  // EncodeBootstrapRecord; kRecord only.
};

// Requires: the record fits into one message.
Buffer EncodeFounding(const MessageLink& link, const FoundingMessage& message);
// kDataLoss: a wrong checksum; kInvalidArgument: other malformed bytes, and
// versions and kinds that this program does not know.
absl::StatusOr<FoundingMessage> DecodeFounding(const MessageLink& link,
                                               const Buffer& bytes);

// ---- The conversation

class Founding {
 public:
  // kFailedPrecondition: the cluster exists, and this store is no part of it.
  using Done = absl::AnyInvocable<void(absl::StatusOr<BootstrapRecord>)>;

  // `level`, `lease_length`: those of the groups, if this node founds the
  // cluster.
  // `cluster` outlives the object, and is right from the first message on.
  Founding(env::Env& env, const ClusterId& cluster, NodeId self,
           std::vector<NodeId> peers, Level level, Duration lease_length)
      : env_(env),
        cluster_(cluster),
        self_(self),
        peers_(std::move(peers)),
        level_(level),
        lease_length_(lease_length) {}

  // Asks for the record of a cluster with this plan until `done` is called.
  // Requires: `store` is durable; the transport has started.
  void Begin(const BootstrapPlan& plan, StoreIncarnation store, Done done);
  // The record is durable here. Answers with it from now on.
  void Answer(const BootstrapRecord& record);
  // It asks, and is not done.
  bool asks() const { return done_ != nullptr; }
  // A node of a founded cluster with this id proved that this store has no part
  // in it.
  void OnClusterExists(const std::string& story);
  // Requires: IsFor(Service::kFounding).
  void OnMessage(NodeId from, StoreIncarnation store, const Buffer& bytes);

 private:
  bool founder() const { return !nodes_.empty() && nodes_.front() == self_; }
  void Ask();
  void OnAnswer(NodeId from, StoreIncarnation store,
                const FoundingMessage& message);
  void OnRecord(const Buffer& bytes);
  FoundingMessage AnswerTo(NodeId from, StoreIncarnation store) const;
  void Send(NodeId to, const FoundingMessage& message);
  void ComposeIfComplete();
  // For the founder: the nodes of the plan whose answer it lacks. Every other
  // node waits for the founder.
  std::string WaitsFor() const;
  void Finish(absl::StatusOr<BootstrapRecord> result);

  env::Env& env_;
  const ClusterId& cluster_;
  const NodeId self_;
  const std::vector<NodeId> peers_;
  const Level level_;
  const Duration lease_length_;

  // While it asks. Afterwards the plan is empty.
  BootstrapPlan plan_;
  std::vector<NodeId> nodes_;  // Those of the plan.
  StoreIncarnation store_;
  Done done_;
  absl::btree_map<NodeId, StoreIncarnation> unfounded_;
  Duration pause_{0};
  MonoTime log_at_{0};
  env::Pending timer_;

  // Once it has the record. Without its plan, which is long if there are many
  // groups.
  BootstrapRecord record_;
  Buffer record_bytes_;
};

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_HOST_FOUNDING_H_
