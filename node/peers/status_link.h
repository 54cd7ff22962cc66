// node/peers/status_link.h: asks another node for its report, over its client
// port.
//
// There is one stream to each node, opened when it is first needed. The other
// node serves it with the parser and the limits that it has for clients.
#ifndef QUORATE_NODE_PEERS_STATUS_LINK_H_
#define QUORATE_NODE_PEERS_STATUS_LINK_H_

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/functional/any_invocable.h"
#include "env/alarm.h"
#include "env/env.h"
#include "env/ids.h"
#include "env/transport.h"
#include "node/protocol/resp_parser.h"

namespace quorate::node {

// The facts that a node reports of itself (node/routing/live_view.h).
struct NodeReport {
  // The identity of the reporting node.
  env::TransportIdentity identity;
  // The groups whose replicas there refuse the asker's store, ascending.
  std::vector<GroupId> refused;
  // A random number of this start of the node; zero: no report.
  uint64_t start = 0;
  // The number of changes of the rows since that start.
  uint64_t changes = 0;
  // "group state leader term level\n" for each replica. Empty if the asker has
  // the rows.
  std::string rows;
};

// The answer of another node to a query.
struct StatusAnswer {
  NodeReport report;
  // True if the other node replied, even if it replied with an error.
  bool answered = false;
  // The reply is no report: the other node does not know the query.
  bool strange = false;
};

// The error to a client above limits.connections. The node reads no request of
// that connection.
inline constexpr std::string_view kTooManyClients =
    "ERR max number of clients reached";

class StatusLink final : public env::Connection::Observer {
 public:
  using Done = absl::AnyInvocable<void(StatusAnswer)>;

  // Connects to "host:port". `timeout` bounds the wait for each answer.
  StatusLink(env::Env& env, std::string address, Duration timeout);
  StatusLink(const StatusLink&) = delete;
  StatusLink& operator=(const StatusLink&) = delete;

  // Asks for the other node's report to `self`, without rows if `known` is its
  // version. `done` is called once, in a later turn, unless the link is
  // destroyed first.
  void AskStatus(const env::TransportIdentity& self, const NodeReport& known,
                 Done done);

 private:
  struct Request {
    Buffer bytes;
    Done done;
    MonoTime deadline;
  };

  void OnBytes(std::string_view bytes) override;
  void OnEnd() override;
  void OnClosed(absl::Status reason) override;
  void OnDrained() override {}

  void Connect();
  void SendWaiting();
  // Ends the stream. Its queries get no report. `answered`: the other node
  // refused the connection with an error reply.
  void Fail(bool answered = false);
  void TakeReply();
  void SetAlarm();
  void OnAlarm();

  env::Env& env_;
  const std::string address_;
  const Duration timeout_;
  std::unique_ptr<env::Connection> connection_;
  env::Pending connecting_;
  env::Alarm alarm_;
  bool connect_under_way_ = false;
  std::optional<RespParser> parser_;  // A new one for each stream.
  std::deque<Request> requests_;
  bool any_reply_ = false;  // A reply arrived on this stream.
  size_t sent_ = 0;  // The number of sent requests, which are the first ones.
};

// The links of a node, by address.
class StatusLinks {
 public:
  StatusLinks(env::Env& env, Duration timeout) : env_(env), timeout_(timeout) {}
  StatusLink& To(const std::string& address);

 private:
  env::Env& env_;
  const Duration timeout_;
  absl::btree_map<std::string, std::unique_ptr<StatusLink>> links_;
};

// Appends the reply to QUORATE.STATUS, an array of bulk strings, so that it is
// parsed like a request:
//   STATUS start changes rows identity refused
void WriteReport(const NodeReport& report, std::string* out);
// Returns false if `fields` is no such reply.
bool ReadReport(absl::Span<const std::string_view> fields, NodeReport* report);

}  // namespace quorate::node

#endif  // QUORATE_NODE_PEERS_STATUS_LINK_H_
