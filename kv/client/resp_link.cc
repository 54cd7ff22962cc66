#include "kv/client/resp_link.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "env/check.h"

namespace quorate::kv {

RespLink::RespLink(env::Loop& loop, env::Streams& streams, std::string address,
                   Duration dial_max, Broken broken)
    : loop_(loop), address_(std::move(address)), broken_(std::move(broken)) {
  connecting_ = streams.Connect(
      address_,
      [this](absl::StatusOr<std::unique_ptr<env::Connection>> connected) {
        OnConnected(std::move(connected));
      });
  // The network may answer nothing, which the kernel notices after minutes.
  dial_timer_ = loop_.At(loop_.ReadClock().mono + dial_max, [this] {
    Abort(absl::UnavailableError(
        absl::StrCat(address_, " does not answer the dial")));
  });
}

void RespLink::OnConnected(
    absl::StatusOr<std::unique_ptr<env::Connection>> connected) {
  dial_timer_.Cancel();
  if (!connected.ok()) {
    Abort(connected.status());
    return;
  }
  connection_ = *std::move(connected);
  connection_->SetObserver(this);
  Flush();
}

void RespLink::Send(absl::Span<const std::string_view> arguments, Done done) {
  CHECK(!broken()) << address_;
  AppendRespCommand(arguments, &unsent_);
  waiting_.push_back(std::move(done));
  ++unsent_count_;
  FlushLater();
}

void RespLink::FlushLater() {
  if (flush_due_ || connection_ == nullptr) return;
  flush_due_ = true;
  flush_ = loop_.Defer([this] {
    flush_due_ = false;
    Flush();
  });
}

void RespLink::Flush() {
  if (connection_ == nullptr || unsent_.empty()) return;
  unsent_count_ = 0;
  connection_->Write(Buffer::Copy(unsent_));
  unsent_.clear();
}

void RespLink::OnBytes(std::string_view bytes) {
  parser_.Append(bytes);
  while (!broken()) {
    Result result;
    const RespReplyParser::Progress progress = parser_.Next(&result.reply);
    if (progress == RespReplyParser::Progress::kNeedMore) return;
    if (progress == RespReplyParser::Progress::kError) {
      Abort(absl::DataLossError(
          absl::StrCat(address_,
                       " does not answer in RESP: it may be the address of "
                       "another server")));
      return;
    }
    if (waiting_.size() <= unsent_count_) {
      Abort(absl::DataLossError(
          absl::StrCat(address_,
                       " sent a reply to no request: it may be the address of "
                       "another server")));
      return;
    }
    Done done = std::move(waiting_.front());
    waiting_.pop_front();
    result.sent = true;
    done(std::move(result));
  }
}

void RespLink::OnEnd() {
  Abort(
      absl::UnavailableError(absl::StrCat(address_, " closed the connection")));
}

void RespLink::OnClosed(absl::Status reason) { Abort(std::move(reason)); }

void RespLink::Abort(absl::Status why) {
  if (broken()) return;
  CHECK(!why.ok());
  failure_ = std::move(why);
  connecting_.Cancel();
  dial_timer_.Cancel();
  flush_.Cancel();
  connection_.reset();
  broken_();
  std::deque<Done> waiting = std::exchange(waiting_, {});
  const size_t sent_count = waiting.size() - unsent_count_;
  for (size_t i = 0; i < waiting.size(); ++i) {
    waiting[i](
        {.status = failure_, .sent = i < sent_count, .reply = RespValue()});
  }
}

}  // namespace quorate::kv
