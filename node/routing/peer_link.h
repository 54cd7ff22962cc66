// node/routing/peer_link.h: sends whole batches to the leader of their group,
// over its client port, and returns their outcomes.
//
// There is one stream to each node, opened when it is first needed. Requests
// are answered in order. The outcome of a request that was sent but not
// answered is unknown; the link never sends it a second time.
//
// The bytes are RESP on purpose. The other node serves them with the parser and
// the limits that it has for clients, so no second protocol has to be secured.
#ifndef QUORATE_NODE_ROUTING_PEER_LINK_H_
#define QUORATE_NODE_ROUTING_PEER_LINK_H_

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/functional/any_invocable.h"
#include "env/alarm.h"
#include "env/env.h"
#include "env/transport.h"
#include "node/protocol/resp_parser.h"
#include "node/routing/forward_channel.h"
#include "raft/host/host.h"

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
  // "group state leader term\n" for each replica. Empty if the asker knows the
  // rows.
  std::string rows;
};

// The answer of another node to a batch or to another request.
struct PeerResult {
  raft::ProposeResult result;
  // With kNotExecuted: the latest leader that the other node knows, and the
  // leader's term; zero if it knows none.
  NodeId leader;
  raft::Term term;
  // Set by Open, with kDone.
  ForwardStamp channel;
  // Set by AskStatus, with kDone.
  NodeReport report;
  // True if the other node replied, even if it replied with an error.
  bool answered = false;
};

// The error to a client above limits.connections. The node reads no request of
// that connection.
inline constexpr std::string_view kTooManyClients =
    "ERR max number of clients reached";

class PeerLink final : public env::Connection::Observer {
 public:
  using Done = absl::AnyInvocable<void(PeerResult)>;

  // Connects to "host:port". `timeout` bounds the wait for each answer.
  PeerLink(env::Env& env, std::string address, Duration timeout);
  PeerLink(const PeerLink&) = delete;
  PeerLink& operator=(const PeerLink&) = delete;

  // `done` is called once, in a later turn, unless the link is destroyed first.
  void Apply(GroupId group, const ForwardStamp& stamp, Buffer payload,
             Done done);
  // Asks for the results of a batch of reads.
  void Read(GroupId group, Buffer payload, Done done);
  // Opens a channel for batches of `group`, in place of `replaces`.
  void Open(GroupId group, const ForwardStamp& replaces, Done done);
  // Asks for the other node's report to `self`, without rows if `known` is its
  // version.
  void AskStatus(const env::TransportIdentity& self, const NodeReport& known,
                 Done done);

 private:
  struct Request {
    Buffer header;
    Buffer payload;
    Done done;
    MonoTime deadline;
  };

  void OnBytes(std::string_view bytes) override;
  void OnEnd() override;
  void OnClosed(absl::Status reason) override;
  void OnDrained() override {}

  // Sends `header`, `payload` and a line end.
  void Send(const std::string& header, Buffer payload, Done done);
  void Connect();
  void SendWaiting();
  // Ends the stream. The outcome of requests that were sent is unknown; all
  // others were not executed. `answered`: the other node refused the
  // connection with an error reply.
  void Fail(const absl::Status& why, bool answered = false);
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
class PeerLinks {
 public:
  PeerLinks(env::Env& env, Duration timeout) : env_(env), timeout_(timeout) {}
  PeerLink& To(const std::string& address);

 private:
  env::Env& env_;
  const Duration timeout_;
  absl::btree_map<std::string, std::unique_ptr<PeerLink>> links_;
};

// Appends the reply to QUORATE.APPLY, READ, CHANNEL or STATUS. It is an array
// of bulk strings, so it is parsed like a request:
//   DONE term index log_time_ns results
//   CHANNEL term channel
//   STATUS start changes rows identity refused
//   NOT leader term message
//   UNKNOWN message
void WritePeerResult(const PeerResult& result, std::string* out);
// Returns false if `fields` is no such reply.
bool ReadPeerResult(absl::Span<const std::string_view> fields,
                    PeerResult* result);

}  // namespace quorate::node

#endif  // QUORATE_NODE_ROUTING_PEER_LINK_H_
