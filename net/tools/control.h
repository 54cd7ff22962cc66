// net/tools/control.h: the commands of quoratectl. They block and use RESP
// only.
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
  // A cluster address. A plain address also serves keys, but no status.
  std::string address = "127.0.0.1:7101";
  Duration timeout = Seconds(5);
  bool json = false;
};

// The output of a command and its exit status.
struct ControlAnswer {
  std::string out;
  std::string error;
  int exit_status = 0;
};

// The error as a line of JSON, like those of admin addresses. The code is
// REFUSED for exit status 4, OUTCOME_UNKNOWN for 5, INTERRUPTED for 130, else
// FAILED.
std::string ErrorJson(const ControlAnswer& answer);

// Lists all nodes that the asked node lists, and the groups as each node
// reports them. Exit status 1: the node cannot be asked. Exit status 3: a node
// does not answer, a replica does not work, or slots have no leader.
// Exit status 3 also means that the others refuse a node or a replica.
ControlAnswer RunStatus(const ControlOptions& options);
// Prints the value unchanged. Exit status 1 if the key does not exist.
ControlAnswer RunGet(const ControlOptions& options, const std::string& key);
ControlAnswer RunSet(const ControlOptions& options, const std::string& key,
                     const std::string& value);
// Prints how many of the keys existed.
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

// kDataLoss if a line lacks fields of Redis Cluster.
absl::StatusOr<std::vector<NodeLine>> ParseClusterNodes(std::string_view text);

// "96.0 MiB".
std::string BytesText(double bytes);

// Pads the columns, two spaces apart. The first row is the heading.
std::string FormatTable(const std::vector<std::vector<std::string>>& rows);

}  // namespace quorate::net

#endif  // QUORATE_NET_TOOLS_CONTROL_H_
