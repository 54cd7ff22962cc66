#include "sim/protocol/dialogue.h"

#include "absl/status/statusor.h"

namespace quorate::sim {

void Dialogue::BeginAfter(Duration wait) {
  Close();
  if (stopped_) return;
  timer_ =
      env_.loop.At(env_.loop.ReadClock().mono + wait, [this] { OnBegin(); });
}

void Dialogue::Open(const std::string& server, Protocol protocol,
                    std::string request) {
  connection_.reset();
  protocol_ = protocol;
  replies_ = {};
  answers_ = {};
  connecting_ = env_.streams.Connect(
      server,
      [this, request = std::move(request)](
          absl::StatusOr<std::unique_ptr<env::Connection>> connection) mutable {
        if (!connection.ok()) return OnOver(connection.status());
        connection_ = *std::move(connection);
        connection_->SetObserver(this);
        if (!request.empty()) Send(std::move(request));
        OnOpen();
      });
}

void Dialogue::Close() {
  connecting_.Cancel();
  timer_.Cancel();
  connection_.reset();
}

void Dialogue::SetTimeout(Duration wait) {
  timer_ = env_.loop.At(env_.loop.ReadClock().mono + wait, [this] {
    OnOver(absl::DeadlineExceededError("no answer"));
  });
}

void Dialogue::Stop() {
  stopped_ = true;
  SetTimeout(Duration());
}

void Dialogue::Refuse() {
  OnOver(absl::InvalidArgumentError("bytes that are no reply"));
}

void Dialogue::OnBytes(std::string_view bytes) {
  if (protocol_ == Protocol::kResp) {
    replies_.Feed(bytes);
    while (connection_ != nullptr) {
      ClientReply reply;
      const ReplyParser::Result result = replies_.Next(&reply);
      if (result == ReplyParser::Result::kNeedMore) return;
      if (result == ReplyParser::Result::kMalformed) return Refuse();
      OnReply(std::move(reply));
    }
  } else if (protocol_ == Protocol::kHttp) {
    answers_.Feed(bytes);
    while (connection_ != nullptr) {
      HttpAnswer answer;
      const HttpAnswerParser::Result result = answers_.Next(&answer);
      if (result == HttpAnswerParser::Result::kNeedMore) return;
      if (result == HttpAnswerParser::Result::kMalformed) return Refuse();
      OnAnswer(answer);
    }
  }
}

}  // namespace quorate::sim
