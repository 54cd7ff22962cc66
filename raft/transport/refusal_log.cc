#include "raft/transport/refusal_log.h"

#include <utility>

namespace quorate::raft {

std::optional<uint64_t> RefusalLog::Count(MonoTime now,
                                          std::string_view peer_address,
                                          NodeId node,
                                          HandshakeRefusal reason) {
  // Each connection has another port.
  Kind kind(peer_address.substr(0, peer_address.rfind(':')), node, reason);
  if (!lines_.contains(kind) && lines_.size() >= kKindsMax) {
    std::erase_if(lines_, [&](const auto& line) {
      return now - line.second.at >= kPause;
    });
    if (lines_.size() >= kKindsMax) kind = Kind();
  }
  const auto [found, first] = lines_.try_emplace(std::move(kind), Line{now});
  Line& line = found->second;
  if (first) return 0;
  if (now - line.at < kPause) {
    ++line.left_out;
    return std::nullopt;
  }
  line.at = now;
  return std::exchange(line.left_out, 0);
}

}  // namespace quorate::raft
