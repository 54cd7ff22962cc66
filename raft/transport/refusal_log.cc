#include "raft/transport/refusal_log.h"

#include <utility>

#include "absl/strings/str_cat.h"

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

std::optional<std::string> RefusalLog::Describe(
    MonoTime now, const std::string& peer_address,
    const env::TransportIdentity& self, const Hello& hello,
    const HelloReply& reply) {
  const std::optional<uint64_t> left_out =
      Count(now, peer_address, hello.from.node, reply.refusal);
  if (!left_out.has_value()) return std::nullopt;
  std::string line = absl::StrCat("transport: refused ", peer_address, ": ",
                                  DescribeRefusal(self, hello, reply));
  if (*left_out > 0) {
    absl::StrAppend(&line, " (refused ", *left_out,
                    " more times since the last line like this one)");
  }
  return line;
}

}  // namespace quorate::raft
