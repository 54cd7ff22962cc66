#include "sim/workload/view_client.h"

#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "sim/protocol/dialogue.h"

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
class ViewClient::Visitor final : Dialogue {
 public:
  Visitor(env::Env& env, ViewClient* client, size_t node, std::string resp,
          std::string http)
      : Dialogue(env),
        client_(client),
        node_(node),
        resp_(std::move(resp)),
        http_(std::move(http)) {
    OnBegin();
  }

  using Dialogue::Close;

 private:
  void OnBegin() override {
    view_ = {};
    has_replies_ = 0;
    SetTimeout(kVisitMax);
    Open(resp_, Protocol::kResp,
         EncodeCommand({"CLUSTER", "SLOTS"}) +
             EncodeCommand({"CLUSTER", "NODES"}) +
             EncodeCommand({"CLUSTER", "INFO"}) +
             EncodeCommand({"INFO", "groups", "nodes", "replication"}));
  }
  void OnReply(ClientReply reply) override {
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
        Open(http_, Protocol::kHttp,
             GetOf("/readyz") + (was_right_ ? GetOf("/metrics") : ""));
    }
  }
  void OnAnswer(const HttpAnswer& answer) override {
    if (view_.ready_status == 0) {
      view_.ready_status = answer.status;
      if (was_right_) return;
    } else {
      view_.metrics = answer.body;
    }
    End(&view_);
  }
  void OnOver(const absl::Status&) override { End(nullptr); }
  // Ends the visit, and plans the next one.
  void End(const NodeView* view) {
    BeginAfter(kPause);
    was_right_ = client_->observer_(node_, view);
  }

  ViewClient* const client_;
  const size_t node_;
  const std::string resp_;
  const std::string http_;
  NodeView view_;
  int has_replies_ = 0;
  bool was_right_ = false;  // The last view.
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
  for (const auto& visitor : visitors_) visitor->Close();
}

}  // namespace quorate::sim
