#include "tests/processes/sync_trace.h"

#include <algorithm>
#include <optional>
#include <sstream>

#include "absl/strings/str_cat.h"

namespace quorate::tests {
namespace {

void Keep(std::map<std::string, int64_t>& times, const std::string& token,
          int64_t time) {
  const auto [it, inserted] = times.emplace(token, time);
  if (!inserted) it->second = std::min(it->second, time);
}

}  // namespace

SyncTrace ParseSyncTrace(std::string_view text) {
  SyncTrace trace;
  std::istringstream in{std::string(text)};
  std::string kind;
  int64_t time = 0;
  while (in >> kind >> time) {
    int port = 0;
    std::string token;
    if (kind == "send") in >> port;
    in >> token;
    Keep(kind == "send" ? trace.sent[port] : trace.synced, token, time);
  }
  return trace;
}

SyncCheck CheckSyncs(const std::vector<SyncTrace>& traces,
                     const std::vector<int>& resp_ports, int quorum,
                     const std::vector<AcknowledgedWrite>& writes) {
  SyncCheck check;
  for (const AcknowledgedWrite& write : writes) {
    std::optional<int64_t> left;
    for (size_t node = 0; node < traces.size(); ++node) {
      const auto port = traces[node].sent.find(resp_ports[node]);
      if (port == traces[node].sent.end()) continue;
      const auto sent = port->second.find(write.reply_token);
      if (sent == port->second.end()) continue;
      left = std::min(left.value_or(sent->second), sent->second);
    }
    if (!left.has_value()) continue;
    ++check.checked;
    int durable = 0;
    for (const SyncTrace& trace : traces) {
      const auto synced = trace.synced.find(write.token);
      if (synced != trace.synced.end() && synced->second <= *left) ++durable;
    }
    if (durable < quorum) {
      check.early.push_back(absl::StrCat("the acknowledgement of ", write.token,
                                         " left when ", durable,
                                         " disks had it, not ", quorum));
    }
  }
  return check;
}

}  // namespace quorate::tests
