// net/tools/control.h: the commands of quoratectl.
// Blocking, over RESP alone: they need nothing of a node but its address.
#ifndef QUORATE_NET_TOOLS_CONTROL_H_
#define QUORATE_NET_TOOLS_CONTROL_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "env/time.h"

namespace quorate::net {

struct ControlOptions {
  // For cluster clients. One for plain clients serves keys, but no status.
  std::string address = "127.0.0.1:7101";
  Duration timeout = Seconds(5);
  bool json = false;
};

// What a command prints, and its exit status.
struct ControlAnswer {
  std::string out;
  std::string error;
  int exit_status = 0;
};

// All nodes as the one asked lists them, and the groups as each says itself.
// Exit status 1 if that one cannot be asked; 3 if a node does not answer, a
// replica is fenced or stopped, a node or a replica is refused by the others,
// or slots have no leader.
ControlAnswer RunStatus(const ControlOptions& options);
// The value as it is; exit status 1 if there is none.
ControlAnswer RunGet(const ControlOptions& options, const std::string& key);
ControlAnswer RunSet(const ControlOptions& options, const std::string& key,
                     const std::string& value);
// How many of the keys there were.
ControlAnswer RunDelete(const ControlOptions& options,
                        const std::vector<std::string>& keys);

// One line of CLUSTER NODES.
struct NodeLine {
  std::string id;
  // The node's number, which a node gives as the configuration epoch; 0: none.
  uint32_t number = 0;
  std::string address;
  std::string flags;
  std::string link;
  std::vector<std::string> slots;  // "0-5460", "7".

  friend bool operator==(const NodeLine&, const NodeLine&) = default;
};

// kDataLoss for a line without the fields that Redis Cluster has.
absl::StatusOr<std::vector<NodeLine>> ParseClusterNodes(std::string_view text);

// Columns as wide as they need to be, two spaces apart; the first row is the
// heading.
std::string FormatTable(const std::vector<std::vector<std::string>>& rows);

}  // namespace quorate::net

#endif  // QUORATE_NET_TOOLS_CONTROL_H_
