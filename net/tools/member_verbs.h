// net/tools/member_verbs.h: the verbs of quoratectl about members: nodes,
// groups, repair (docs/reference/quoratectl.md).
//
// They ask the admin address of one node over HTTP (docs/reference/admin.md).
// A verb that changes something states a wish: the cluster works on it, whether
// or not the verb waits.
#ifndef QUORATE_NET_TOOLS_MEMBER_VERBS_H_
#define QUORATE_NET_TOOLS_MEMBER_VERBS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "env/time.h"
#include "net/tools/control.h"

namespace quorate::net {

struct VerbOptions {
  ControlOptions control;
  bool wait = true;      // Until the wish has come true.
  bool dry_run = false;  // Checks the wish and changes nothing.
  bool all = false;      // Lists show removed nodes and ended moves for ever.
  // The operation of an earlier change that this one finishes. Empty: none.
  std::string operation = {};
  // The words of the command line, the path of the program first. If a change
  // has an unknown outcome, the error repeats them. Empty: there are none.
  std::vector<std::string> command = {};
  // Shows what a wish will do, before the wait for it.
  absl::FunctionRef<void(const std::string& text)> say;
  // Shows the progress of a wish: one line, or empty text at the end.
  absl::FunctionRef<void(const std::string& line)> progress;
  // True once the user has interrupted the program.
  absl::FunctionRef<bool()> interrupted;
};

// The settings of a node in `node add` and `node set`. Empty: the default, or
// as before.
struct NodeSettings {
  std::string name;
  std::string zone;
  std::string host;
  std::string role;
  std::optional<uint32_t> weight;
};

// The exit status is 4 where the cluster refuses a wish: nothing has changed
// then, and `error` says why. It is 5 where the outcome of a change is not
// known: `error` has the command that finishes it, with its operation.
ControlAnswer ListNodes(const VerbOptions& options);
ControlAnswer AddNode(const VerbOptions& options, const NodeSettings& settings);
// `verb` is drain or undrain.
ControlAnswer ChangeNode(const VerbOptions& options, const std::string& verb,
                         uint32_t node);
// Without `even_if_up`, a node that is up is refused.
ControlAnswer ReplaceNode(const VerbOptions& options, uint32_t node,
                          bool even_if_up);
ControlAnswer RemoveNode(const VerbOptions& options, uint32_t node, bool lost);
ControlAnswer SetNode(const VerbOptions& options, uint32_t node,
                      const NodeSettings& settings);
ControlAnswer ListGroups(const VerbOptions& options);
ControlAnswer ShowGroup(const VerbOptions& options, uint32_t group);
// The settings of groups in `group create` and `group set`. Empty: the default,
// or as before.
struct GroupSettings {
  std::optional<uint32_t> replicas = {};
  std::optional<uint32_t> weight = {};
};
ControlAnswer CreateGroups(const VerbOptions& options, uint32_t count,
                           const GroupSettings& settings = {});
ControlAnswer SetGroup(const VerbOptions& options, uint32_t group,
                       const GroupSettings& settings);
ControlAnswer TransferGroup(const VerbOptions& options, uint32_t group,
                            uint32_t node);
// Without `accept_loss`: who is left, what may be lost, and exit status 4. It
// waits until the controller knows which nodes are silent, a minute at most.
ControlAnswer RecoverGroup(const VerbOptions& options, uint32_t group,
                           bool accept_loss);
// Ends once the group has gone.
ControlAnswer RetireGroup(const VerbOptions& options, uint32_t group);
// The owner of each range of slots; `group` not zero: its ranges alone.
ControlAnswer ListSlots(const VerbOptions& options, uint32_t group);
// Slots as text such as "0-99,200", or `count` of those of the group `from`.
struct SlotsToMove {
  uint32_t to = 0;
  std::string slots;
  uint32_t from = 0;
  uint32_t count = 0;
  uint32_t bytes_per_second = 0;  // Zero: as fast as it goes.
};
ControlAnswer MoveSlots(const VerbOptions& options, const SlotsToMove& slots);
// `move` zero: all moves.
ControlAnswer ShowMoves(const VerbOptions& options, uint32_t move);
// `verb` is cancel, pause or resume.
ControlAnswer ChangeMove(const VerbOptions& options, const std::string& verb,
                         uint32_t move);
ControlAnswer Rebalance(const VerbOptions& options);
ControlAnswer ShowRepair(const VerbOptions& options);
// Shows the state of the asked node: `page` is orders, moves, rooms or timers.
// In net/tools/debug_verb.cc.
ControlAnswer ShowDebug(const VerbOptions& options, const std::string& page);
// Empty: repair is off.
ControlAnswer SetRepair(const VerbOptions& options,
                        std::optional<Duration> after);

}  // namespace quorate::net

#endif  // QUORATE_NET_TOOLS_MEMBER_VERBS_H_
