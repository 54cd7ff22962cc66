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
    : env_(env), servers_(std::move(servers)), violate_(std::move(violate)) {
  TryLater();
}

void FlushClient::TryLater() {
  connecting_.Cancel();
  connection_.reset();
  timer_ = env_.loop.At(env_.loop.ReadClock().mono + kPause, [this] { Try(); });
}

void FlushClient::Try() {
  emptied_ = false;
  replies_ = {};
  timer_ = env_.loop.At(env_.loop.ReadClock().mono + kTryMax,
                        [this] { TryLater(); });
  connecting_ = env_.streams.Connect(
      servers_[servers_.size() - 1 - tries_++ % servers_.size()],
      [this](absl::StatusOr<std::unique_ptr<env::Connection>> connection) {
        if (!connection.ok()) return TryLater();
        connection_ = *std::move(connection);
        connection_->SetObserver(this);
        connection_->Write(Buffer::Copy(EncodeCommand({"FLUSHALL"}) +
                                        EncodeCommand({"DBSIZE"})));
      });
}

void FlushClient::OnBytes(std::string_view bytes) {
  replies_.Feed(bytes);
  ClientReply reply;
  while (connection_ != nullptr &&
         replies_.Next(&reply) == ReplyParser::Result::kReply) {
    TakeReply(reply);
  }
}

void FlushClient::TakeReply(const ClientReply& reply) {
  if (reply.is_error()) return TryLater();
  if (!std::exchange(emptied_, true)) return;
  if (reply.integer != 0) {
    violate_(absl::StrCat("flush client: DBSIZE is ", reply.ToString(),
                          " after FLUSHALL"));
  }
  done_ = true;
  timer_.Cancel();
  connection_.reset();
}

}  // namespace quorate::sim
