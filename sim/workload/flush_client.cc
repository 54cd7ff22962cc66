#include "sim/workload/flush_client.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace quorate::sim {
namespace {

constexpr Duration kTryMax = Seconds(5);
constexpr Duration kPause = Milliseconds(100);

}  // namespace

FlushClient::FlushClient(env::Env& env, std::vector<std::string> servers,
                         Violate violate)
    : Dialogue(env),
      servers_(std::move(servers)),
      violate_(std::move(violate)) {
  BeginAfter(kPause);
}

void FlushClient::OnBegin() {
  emptied_ = false;
  SetTimeout(kTryMax);
  Open(servers_[servers_.size() - 1 - tries_++ % servers_.size()],
       Protocol::kResp,
       EncodeCommand({"FLUSHALL"}) + EncodeCommand({"DBSIZE"}));
}

void FlushClient::OnReply(ClientReply reply) {
  if (reply.is_error()) return BeginAfter(kPause);
  if (!std::exchange(emptied_, true)) return;
  if (reply.integer != 0) {
    violate_(absl::StrCat("flush client: DBSIZE is ", reply.ToString(),
                          " after FLUSHALL"));
  }
  done_ = true;
  Close();
}

void FlushClient::OnOver(const absl::Status&) { BeginAfter(kPause); }

}  // namespace quorate::sim
