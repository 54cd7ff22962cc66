#include "sim/workload/view_client.h"

#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "sim/protocol/http.h"

namespace quorate::sim {
namespace {

constexpr Duration kVisitMax = Seconds(2);
constexpr Duration kPause = Milliseconds(100);

std::string GetOf(std::string_view path) {
  return absl::StrCat("GET ", std::string(path),
                      " HTTP/1.1\r\nHost: n\r\n\r\n");
}

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
    has_replies_ = 0;
    asks_http_ = false;
    timer_ = env_.loop.At(env_.loop.ReadClock().mono + kVisitMax,
                          [this] { End(nullptr); });
    Ask(resp_, EncodeCommand({"CLUSTER", "SLOTS"}) +
                   EncodeCommand({"CLUSTER", "NODES"}) +
                   EncodeCommand({"CLUSTER", "INFO"}) +
                   EncodeCommand({"INFO", "groups", "nodes", "replication"}));
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
    was_right_ = client_->observer_(node_, view);
  }
  void OnBytes(std::string_view bytes) override {
    if (asks_http_) return TakeAnswers(bytes);
    replies_.Feed(bytes);
    ClientReply reply;
    while (replies_.Next(&reply) == ReplyParser::Result::kReply) {
      switch (has_replies_++) {
        case 0:
          view_.slots = std::move(reply);
          break;
        case 1:
          view_.nodes = reply.text;
          break;
        case 2:
          view_.cluster_info = reply.text;
          break;
        default:
          view_.info = reply.text;
          asks_http_ = true;
          return Ask(http_,
                     GetOf("/readyz") + (was_right_ ? GetOf("/metrics") : ""));
      }
    }
  }
  void TakeAnswers(std::string_view bytes) {
    answers_.Feed(bytes);
    HttpAnswer answer;
    while (answers_.Next(&answer) == HttpAnswerParser::Result::kAnswer) {
      if (view_.ready_status == 0) {
        view_.ready_status = answer.status;
        if (was_right_) continue;
      } else {
        view_.metrics = answer.body;
      }
      return End(&view_);
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
  int has_replies_ = 0;
  bool asks_http_ = false;
  bool was_right_ = false;  // The last view.
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
