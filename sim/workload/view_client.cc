#include "sim/workload/view_client.h"

#include <string_view>
#include <utility>

#include "sim/protocol/http.h"

namespace quorate::sim {
namespace {

constexpr Duration kVisitMax = Seconds(2);
constexpr Duration kPause = Milliseconds(100);

}  // namespace

// Asks one node, on a new connection for each protocol.
class ViewClient::Visitor final : env::Connection::Observer {
 public:
  Visitor(env::Env& env, ViewClient* client, size_t node, std::string resp,
          std::string http)
      : env_(env),
        client_(client),
        node_(node),
        resp_(std::move(resp)),
        http_(std::move(http)) {
    Begin();
  }

  void Stop() {
    connecting_.Cancel();
    timer_.Cancel();
    connection_.reset();
  }

 private:
  void Begin() {
    view_ = {};
    replies_ = {};
    answers_ = {};
    has_slots_ = false;
    asks_http_ = false;
    timer_ = env_.loop.At(env_.loop.ReadClock().mono + kVisitMax,
                          [this] { End(nullptr); });
    Ask(resp_, EncodeCommand({"CLUSTER", "SLOTS"}) +
                   EncodeCommand({"CLUSTER", "NODES"}));
  }
  void Ask(const std::string& address, std::string request) {
    connection_.reset();
    connecting_ = env_.streams.Connect(
        address,
        [this, request = std::move(request)](
            absl::StatusOr<std::unique_ptr<env::Connection>> connection) {
          if (!connection.ok()) return End(nullptr);
          connection_ = *std::move(connection);
          connection_->SetObserver(this);
          connection_->Write(Buffer::Copy(request));
        });
  }
  // Ends the visit, and plans the next one.
  void End(const NodeView* view) {
    connecting_.Cancel();
    connection_.reset();
    timer_ =
        env_.loop.At(env_.loop.ReadClock().mono + kPause, [this] { Begin(); });
    client_->observer_(node_, view);
  }
  void OnBytes(std::string_view bytes) override {
    if (asks_http_) {
      answers_.Feed(bytes);
      HttpAnswer answer;
      if (answers_.Next(&answer) != HttpAnswerParser::Result::kAnswer) return;
      view_.ready_status = answer.status;
      return End(&view_);
    }
    replies_.Feed(bytes);
    ClientReply reply;
    while (replies_.Next(&reply) == ReplyParser::Result::kReply) {
      if (!std::exchange(has_slots_, true)) {
        view_.slots = std::move(reply);
        continue;
      }
      view_.nodes = reply.text;
      asks_http_ = true;
      return Ask(http_, "GET /readyz HTTP/1.1\r\nHost: n\r\n\r\n");
    }
  }
  void OnEnd() override { End(nullptr); }
  void OnClosed(absl::Status) override { End(nullptr); }
  void OnDrained() override {}

  env::Env& env_;
  ViewClient* const client_;
  const size_t node_;
  const std::string resp_;
  const std::string http_;
  NodeView view_;
  bool has_slots_ = false;
  bool asks_http_ = false;
  ReplyParser replies_;
  HttpAnswerParser answers_;
  env::Pending connecting_;
  env::Pending timer_;
  std::unique_ptr<env::Connection> connection_;
};

ViewClient::ViewClient(env::Env& env, const std::vector<std::string>& resp,
                       const std::vector<std::string>& http, Observer observer)
    : observer_(std::move(observer)) {
  for (size_t node = 0; node < resp.size(); ++node) {
    visitors_.push_back(
        std::make_unique<Visitor>(env, this, node, resp[node], http[node]));
  }
}

ViewClient::~ViewClient() = default;

void ViewClient::Stop() {
  for (const auto& visitor : visitors_) visitor->Stop();
}

}  // namespace quorate::sim
