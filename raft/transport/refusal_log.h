// raft/transport/refusal_log.h: which refusals of handshakes are logged.
//
// Any program that reaches the port of the peers can be refused, as often as it
// likes. Pure.
#ifndef QUORATE_RAFT_TRANSPORT_REFUSAL_LOG_H_
#define QUORATE_RAFT_TRANSPORT_REFUSAL_LOG_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>

#include "env/ids.h"
#include "env/time.h"
#include "raft/transport/handshake.h"

namespace quorate::raft {

// At most one line in kPause for each host, node and reason. All refusals
// beyond kKindsMax of these share one.
class RefusalLog {
 public:
  static constexpr Duration kPause = Seconds(10);
  static constexpr size_t kKindsMax = 64;

  // The connection of `peer_address` is refused as `node`. Null if this is not
  // to be logged. Else the number of refusals like it since the last line.
  std::optional<uint64_t> Count(MonoTime now, std::string_view peer_address,
                                NodeId node, HandshakeRefusal reason);

  // The line about a refusal, if it is to be logged now.
  std::optional<std::string> Describe(MonoTime now,
                                      const std::string& peer_address,
                                      const env::TransportIdentity& self,
                                      const Hello& hello,
                                      const HelloReply& reply);

 private:
  using Kind = std::tuple<std::string, NodeId, HandshakeRefusal>;
  struct Line {
    MonoTime at;  // When it was logged.
    uint64_t left_out = 0;
  };

  std::map<Kind, Line> lines_;
};

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_TRANSPORT_REFUSAL_LOG_H_
