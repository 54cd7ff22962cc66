// net/tools/control.h: the commands of quoratectl. They block and use RESP
// only.
#ifndef QUORATE_NET_TOOLS_CONTROL_H_
#define QUORATE_NET_TOOLS_CONTROL_H_

#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "env/time.h"
#include "net/tls/tls_context.h"
#include "net/tools/blocking_socket.h"

namespace quorate::net {

struct ControlOptions {
  // Cluster addresses of nodes of one cluster, at least one. The first that
  // answers is asked. A plain address also serves keys, but no status.
  std::vector<std::string> addresses = {"127.0.0.1:7101"};
  Duration timeout = Seconds(5);
  bool json = false;
  // Null: no TLS.
  std::shared_ptr<const TlsContext> tls = nullptr;

  LinkOptions link() const { return {timeout, tls}; }
};

// The output of a command and its exit status.
struct ControlAnswer {
  std::string out;
  std::string error;
  int exit_status = 0;
  // The name of the change that the error is about; empty: it has none.
  std::string operation = {};
};

// The exit statuses of quoratectl (docs/reference/quoratectl.md).
inline constexpr int kControlFailed = 1;
inline constexpr int kControlUsage = 2;
// The cluster answered `status`, but something in it needs attention.
inline constexpr int kControlUnwell = 3;
// The cluster refuses a change. Nothing has changed.
inline constexpr int kControlRefused = 4;
// The outcome of a change is not known. It may have an effect later.
inline constexpr int kControlUnknown = 5;
inline constexpr int kControlInterrupted = 130;

// {"code","message","operation"}, as in the errors of admin addresses. The code
// is USAGE, REFUSED, OUTCOME_UNKNOWN or INTERRUPTED for exit status 2, 4, 5 or
// 130, else FAILED. An empty operation is left out.
nlohmann::ordered_json ErrorJson(const ControlAnswer& answer);

// Whether all strings are UTF-8.
bool IsUtf8(const nlohmann::ordered_json& json);

// Bytes as JSON: a string if they are UTF-8, else {"base64":"…"}. So different
// bytes have different forms.
nlohmann::ordered_json BytesJson(std::string_view bytes);

// One line of the text. Bytes that are not UTF-8, in sentences for people,
// become U+FFFD.
std::string JsonLine(const nlohmann::ordered_json& json);

// Lists all nodes that the asked node lists, and the groups as each node
// reports them. Exit status 1: no node can be asked. Exit status 3: a node
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

}  // namespace quorate::net

#endif  // QUORATE_NET_TOOLS_CONTROL_H_
