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
// then, and `error` says why.
ControlAnswer ListNodes(const VerbOptions& options);
ControlAnswer AddNode(const VerbOptions& options, const NodeSettings& settings);
// `verb` is drain, undrain or replace.
ControlAnswer ChangeNode(const VerbOptions& options, const std::string& verb,
                         uint32_t node);
ControlAnswer RemoveNode(const VerbOptions& options, uint32_t node, bool lost);
ControlAnswer SetNode(const VerbOptions& options, uint32_t node,
                      const NodeSettings& settings);
ControlAnswer ListGroups(const VerbOptions& options);
ControlAnswer ShowGroup(const VerbOptions& options, uint32_t group);
ControlAnswer CreateGroups(const VerbOptions& options, uint32_t count);
ControlAnswer SetGroup(const VerbOptions& options, uint32_t group,
                       uint32_t replicas);
ControlAnswer TransferGroup(const VerbOptions& options, uint32_t group,
                            uint32_t node);
// Without `accept_loss`: who is left, what may be lost, and exit status 4.
ControlAnswer RecoverGroup(const VerbOptions& options, uint32_t group,
                           bool accept_loss);
ControlAnswer ShowRepair(const VerbOptions& options);
// Empty: repair is off.
ControlAnswer SetRepair(const VerbOptions& options,
                        std::optional<Duration> after);

}  // namespace quorate::net

#endif  // QUORATE_NET_TOOLS_MEMBER_VERBS_H_
