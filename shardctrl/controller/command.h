// shardctrl/controller/command.h: the commands of the controller and their
// answers, as values and as bytes.
//
// One entry of the log carries one command. Operators' commands have an
// operation id, so that a command that is sent again is executed once. Reports
// of nodes have none: a report that comes twice changes nothing.
#ifndef QUORATE_SHARDCTRL_CONTROLLER_COMMAND_H_
#define QUORATE_SHARDCTRL_CONTROLLER_COMMAND_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "env/ids.h"
#include "env/time.h"
#include "raft/core/types.h"
#include "shardctrl/controller/state.h"

namespace quorate::shardctrl {

// Limits of the texts of commands.
inline constexpr size_t kNameBytesMax = 64;
inline constexpr size_t kAddressBytesMax = 280;
inline constexpr size_t kProblemBytesMax = 512;
inline constexpr uint32_t kCreatedGroupsMax = 1000;  // Of one command.
inline constexpr Duration kTokenValidMax = Seconds(30 * 24 * 3600);
inline constexpr Duration kRepairAfterMin = Seconds(10);
inline constexpr Duration kRepairAfterMax = Seconds(30 * 24 * 3600);

// The kinds of commands.
struct ControllerCommandBodies {
  // ---- Commands of operators.

  // Registers a node. The answer has its id. `token` is the digest of a secret
  // that the caller drew, valid for `valid_for`.
  struct AddNode {
    std::string name = {};  // Empty: "n" and the id.
    std::string zone = {};
    std::string host = {};
    uint32_t weight = kNodeWeight;
    NodeRole role = NodeRole::kData;
    TokenDigest token = {};
    Duration valid_for = {};
    template <typename Codec, typename Self>
    static void Fields(Codec& codec, Self& self) {
      codec(self.name, self.zone, self.host, self.weight, self.role, self.token,
            self.valid_for);
    }
  };
  // Absent fields stay as they are.
  struct SetNode {
    NodeId node = {};
    std::optional<std::string> name = {};
    std::optional<std::string> zone = {};
    std::optional<std::string> host = {};
    std::optional<uint32_t> weight = {};
    template <typename Codec, typename Self>
    static void Fields(Codec& codec, Self& self) {
      codec(self.node, self.name, self.zone, self.host, self.weight);
    }
  };
  struct DrainNode {
    NodeId node = {};
    template <typename Codec, typename Self>
    static void Fields(Codec& codec, Self& self) {
      codec(self.node);
    }
  };
  struct UndrainNode {
    NodeId node = {};
    template <typename Codec, typename Self>
    static void Fields(Codec& codec, Self& self) {
      codec(self.node);
    }
  };
  // Drains the node, then removes it.
  struct RemoveNode {
    NodeId node = {};
    bool lost = false;
    template <typename Codec, typename Self>
    static void Fields(Codec& codec, Self& self) {
      codec(self.node, self.lost);
    }
  };
  // Gives up the store of the node, and all its replicas. The next store that
  // shows the token gets new ones. Also renews the token of a node that has not
  // joined yet.
  struct ReplaceNode {
    NodeId node = {};
    TokenDigest token = {};
    Duration valid_for = {};
    template <typename Codec, typename Self>
    static void Fields(Codec& codec, Self& self) {
      codec(self.node, self.token, self.valid_for);
    }
  };
  // Groups of data that own no slot yet. `replicas` zero: the default.
  struct CreateGroups {
    uint32_t count = 1;
    uint32_t replicas = 0;
    uint32_t weight = kGroupWeight;
    template <typename Codec, typename Self>
    static void Fields(Codec& codec, Self& self) {
      codec(self.count, self.replicas, self.weight);
    }
  };
  // Absent fields stay as they are. No slot moves: Rebalance follows weights.
  struct SetGroup {
    GroupId group = {};
    std::optional<uint32_t> replicas = {};
    std::optional<uint32_t> weight = {};
    template <typename Codec, typename Self>
    static void Fields(Codec& codec, Self& self) {
      codec(self.group, self.replicas, self.weight);
    }
  };
  struct TransferGroup {
    GroupId group = {};
    NodeId to = {};
    template <typename Codec, typename Self>
    static void Fields(Codec& codec, Self& self) {
      codec(self.group, self.to);
    }
  };
  // `after` zero: off.
  struct SetRepair {
    Duration after = {};
    template <typename Codec, typename Self>
    static void Fields(Codec& codec, Self& self) {
      codec(self.after);
    }
  };
  // The majority of the group is lost for good: it goes on from the replica
  // `replica` on this store. `generation`: above those that survivors know.
  // `planned`: the entry of the configuration that the asker knew. It is
  // refused if the group has reported another one since.
  struct RecoverGroup {
    GroupId group = {};
    NodeId node = {};
    StoreIncarnation store = {};
    ReplicaId replica = {};
    uint64_t generation = 0;
    // Voters whose nodes answer, and do not have them, or have them fenced.
    std::vector<ReplicaId> broken = {};
    raft::LogPosition planned = {};
    template <typename Codec, typename Self>
    static void Fields(Codec& codec, Self& self) {
      codec(self.group, self.node, self.store, self.replica, self.generation,
            self.broken, self.planned.term, self.planned.index);
    }
  };

  // Moves slots to the group: these, or `count` of those of the group `from`.
  // Each group that owns some of them becomes the source of one move.
  struct MoveSlots {
    GroupId to = {};
    std::vector<SlotRange> slots = {};
    GroupId from = {};
    uint32_t count = 0;
    uint64_t rate_max = 0;  // SlotMove::rate_max.
    template <typename Codec, typename Self>
    static void Fields(Codec& codec, Self& self) {
      codec(self.to, self.slots, self.from, self.count, self.rate_max);
    }
  };
  // The source keeps the slots. A group that retires goes on.
  struct CancelMove {
    MoveId move = {};
    template <typename Codec, typename Self>
    static void Fields(Codec& codec, Self& self) {
      codec(self.move);
    }
  };
  // `paused` false: resumes it.
  struct PauseMove {
    MoveId move = {};
    bool paused = true;
    template <typename Codec, typename Self>
    static void Fields(Codec& codec, Self& self) {
      codec(self.move, self.paused);
    }
  };
  // Moves the fewest slots after which each group owns its share by weight.
  struct Rebalance {
    template <typename Codec, typename Self>
    static void Fields(Codec&, Self&) {}
  };
  // Moves the slots of the group away, then ends it.
  struct RetireGroup {
    GroupId group = {};
    template <typename Codec, typename Self>
    static void Fields(Codec& codec, Self& self) {
      codec(self.group);
    }
  };

  // ---- Reports of nodes.

  // A store shows a token. `token` is its digest.
  struct BindNode {
    NodeId node = {};
    TokenDigest token = {};
    StoreIncarnation store = {};
    template <typename Codec, typename Self>
    static void Fields(Codec& codec, Self& self) {
      codec(self.node, self.token, self.store);
    }
  };
  // The addresses of a node since its start with this number.
  struct ReportNode {
    NodeId node = {};
    StoreIncarnation store = {};
    uint64_t start_number = 0;
    ReportedAddresses addresses = {};
    template <typename Codec, typename Self>
    static void Fields(Codec& codec, Self& self) {
      codec(self.node, self.store, self.start_number, self.addresses);
    }
  };
  // The leader of a group reports a committed configuration.
  struct ReportGroup {
    GroupId group = {};
    ReportedConfiguration configuration = {};
    template <typename Codec, typename Self>
    static void Fields(Codec& codec, Self& self) {
      codec(self.group, self.configuration);
    }
  };
  // The replica of a group that a node has prepared or holds.
  struct ReportReplica {
    GroupId group = {};
    NodeId node = {};
    StoreIncarnation store = {};
    ReplicaId replica = {};
    // That of its configuration. If it has none yet, the newest one that the
    // node knew of the group.
    uint64_t generation = 0;
    template <typename Codec, typename Self>
    static void Fields(Codec& codec, Self& self) {
      codec(self.group, self.node, self.store, self.replica, self.generation);
    }
  };
  // The controller's leader hears nothing of a node. It repeats the report now
  // and then: the node is given up after the time that was set.
  struct ReportSilence {
    NodeId node = {};
    template <typename Codec, typename Self>
    static void Fields(Codec& codec, Self& self) {
      codec(self.node);
    }
  };
  // The controller's leader hears a node again.
  struct ReportSign {
    NodeId node = {};
    template <typename Codec, typename Self>
    static void Fields(Codec& codec, Self& self) {
      codec(self.node);
    }
  };
  // A node that leaves has no replica of any group. It will have none: it knows
  // that it leaves.
  struct ReportEmpty {
    NodeId node = {};
    StoreIncarnation store = {};
    template <typename Codec, typename Self>
    static void Fields(Codec& codec, Self& self) {
      codec(self.node, self.store);
    }
  };
  // The leader of the source tells how far the move is.
  struct ReportMove {
    MoveId move = {};
    MoveProgress progress = {};
    template <typename Codec, typename Self>
    static void Fields(Codec& codec, Self& self) {
      codec(self.move, self.progress);
    }
  };
  // The source is frozen, and the destination sealed with equal digests: the
  // slots change their owner. `give_up` not empty: they do not, for this
  // reason.
  struct DecideMove {
    MoveId move = {};
    std::string give_up = {};
    template <typename Codec, typename Self>
    static void Fields(Codec& codec, Self& self) {
      codec(self.move, self.give_up);
    }
  };
  // After the decision, the group has forgotten the move.
  struct ReportMoveEnd {
    MoveId move = {};
    GroupId group = {};
    template <typename Codec, typename Self>
    static void Fields(Codec& codec, Self& self) {
      codec(self.move, self.group);
    }
  };
};

struct ControllerCommand : ControllerCommandBodies {
  // The order is that of the numbers in the encoding: append only.
  using Body =
      std::variant<AddNode, SetNode, DrainNode, UndrainNode, RemoveNode,
                   ReplaceNode, CreateGroups, SetGroup, TransferGroup,
                   SetRepair, RecoverGroup, MoveSlots, CancelMove, PauseMove,
                   Rebalance, RetireGroup, BindNode, ReportNode, ReportGroup,
                   ReportReplica, ReportSilence, ReportSign, ReportEmpty,
                   ReportMove, DecideMove, ReportMoveEnd>;

  ControllerCommand() = default;
  ControllerCommand(OperationId id, Body what)
      : operation(id), body(std::move(what)) {}

  OperationId operation = {};
  Body body = {};
};

// kInvalidArgument: bytes that EncodeCommand has never returned, or values out
// of range, named in words. kUnimplemented: a newer program wrote them.
absl::StatusOr<ControllerCommand> DecodeCommand(std::string_view bytes);
std::string EncodeCommand(const ControllerCommand& command);
// True for the commands of operators, which the history shows.
bool IsOperatorsCommand(const ControllerCommand& command);
// In the words of quoratectl, such as "node drain 3".
std::string Describe(const ControllerCommand& command);

struct ControllerAnswer {
  enum class Outcome : uint8_t {
    kDone = 1,
    kAlreadySo = 2,  // Nothing changed: it was so before.
    kRefused = 3,    // Nothing changed: `text` names what is in the way.
  };
  Outcome outcome = Outcome::kDone;
  // For people. A refusal gives the reason and a remedy.
  std::string text = {};
  // The version of the state after the command.
  MapVersion version = {};
  NodeId node = {};                  // Of AddNode and ReplaceNode.
  WallTime token_expires{0};         // Of AddNode and ReplaceNode.
  std::vector<GroupId> groups = {};  // Of CreateGroups.
  std::vector<MoveId> moves = {};    // Those that begin because of the command.
  // The replicas or slots that move because of the command, a sentence each. At
  // most kStepsMax of them; the last one then counts the others.
  static constexpr size_t kStepsMax = 100;
  std::vector<std::string> steps = {};

  static ControllerAnswer Done(std::string text) {
    return {.outcome = Outcome::kDone, .text = std::move(text)};
  }
  static ControllerAnswer AlreadySo(std::string text) {
    return {.outcome = Outcome::kAlreadySo, .text = std::move(text)};
  }
  static ControllerAnswer Refused(std::string text) {
    return {.outcome = Outcome::kRefused, .text = std::move(text)};
  }
  // Keeps kStepsMax of them.
  void SetSteps(std::vector<std::string> all);

  friend bool operator==(const ControllerAnswer&,
                         const ControllerAnswer&) = default;
  template <typename Codec, typename Self>
  static void Fields(Codec& codec, Self& self) {
    codec(self.outcome, self.text, self.version, self.node, self.token_expires,
          self.groups, self.moves, self.steps);
  }
};

std::string EncodeAnswer(const ControllerAnswer& answer);
absl::StatusOr<ControllerAnswer> DecodeAnswer(std::string_view bytes);

}  // namespace quorate::shardctrl

#endif  // QUORATE_SHARDCTRL_CONTROLLER_COMMAND_H_
