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

uint64_t RespLink::Send(absl::Span<const std::string_view> arguments,
                        Done done) {
  CHECK(!broken()) << address_;
  AppendRespCommand(arguments, &unsent_.emplace_back());
  waiting_.push_back({++last_number_, std::move(done)});
  FlushLater();
  return last_number_;
}

bool RespLink::Withdraw(uint64_t number) {
  const size_t sent = waiting_.size() - unsent_.size();
  for (size_t i = sent; i < waiting_.size(); ++i) {
    if (waiting_[i].number != number) continue;
    waiting_.erase(waiting_.begin() + static_cast<ptrdiff_t>(i));
    unsent_.erase(unsent_.begin() + static_cast<ptrdiff_t>(i - sent));
    return true;
  }
  return false;
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
  std::string bytes;
  for (const std::string& command : unsent_) bytes += command;
  unsent_.clear();
  connection_->Write(Buffer::Take(std::move(bytes)));
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
    if (waiting_.size() <= unsent_.size()) {
      Abort(absl::DataLossError(
          absl::StrCat(address_,
                       " sent a reply to no request: it may be the address of "
                       "another server")));
      return;
    }
    Done done = std::move(waiting_.front().done);
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
  std::deque<Waiting> waiting = std::exchange(waiting_, {});
  const size_t sent_count = waiting.size() - unsent_.size();
  for (size_t i = 0; i < waiting.size(); ++i) {
    waiting[i].done(
        {.status = failure_, .sent = i < sent_count, .reply = RespValue()});
  }
}

}  // namespace quorate::kv
