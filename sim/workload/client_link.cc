#include "sim/workload/client_link.h"

#include <utility>
#include <vector>

#include "absl/strings/str_split.h"
#include "sim/protocol/reply.h"

namespace quorate::sim {

ClientLink::ClientLink(env::Env& env, uint64_t number, std::string server,
                       std::string greeting, Owner* owner)
    : env_(env),
      number_(number),
      server_(std::move(server)),
      owner_(owner),
      greeting_(std::move(greeting)),
      greeted_(greeting_.empty()) {
  connecting_ = env_.streams.Connect(
      server_,
      [this](absl::StatusOr<std::unique_ptr<env::Connection>> connection) {
        OnConnected(std::move(connection));
      });
}

void ClientLink::Send(RequestId id, std::string bytes) {
  if (oldest() == 0) oldest_since_ = Now();
  if (connection_ == nullptr) {
    waiting_.emplace_back(id, std::move(bytes));
    return;
  }
  written_.push_back(id);
  connection_->Write(Buffer::Take(std::move(bytes)));
}

void ClientLink::PauseReads(Duration length) {
  reads_paused_ = true;
  connection_->PauseReads();
  resuming_ = env_.loop.At(Now() + length, [this] {
    reads_paused_ = false;
    if (connection_ != nullptr) connection_->ResumeReads();
  });
}

ClientLink::RequestId ClientLink::oldest() const {
  if (!written_.empty()) return written_.front();
  return waiting_.empty() ? 0 : waiting_.front().first;
}

void ClientLink::OnConnected(
    absl::StatusOr<std::unique_ptr<env::Connection>> connection) {
  if (!connection.ok()) {
    Break();
    return;
  }
  connection_ = *std::move(connection);
  connection_->SetObserver(this);
  if (!greeted_) {
    const std::vector<std::string> words = absl::StrSplit(greeting_, ' ');
    connection_->Write(Buffer::Take(EncodeCommand(words)));
  }
  for (auto& [id, bytes] : std::exchange(waiting_, {})) {
    written_.push_back(id);
    connection_->Write(Buffer::Take(std::move(bytes)));
  }
}

void ClientLink::OnBytes(std::string_view bytes) {
  parser_.Feed(bytes);
  while (!closed_) {
    ClientReply reply;
    const ReplyParser::Result result = parser_.Next(&reply);
    if (result == ReplyParser::Result::kNeedMore) return;
    if (result == ReplyParser::Result::kMalformed ||
        (greeted_ && written_.empty())) {
      owner_->OnLinkMalformed(server_);
      Break();
      return;
    }
    if (!greeted_) {
      greeted_ = true;
      continue;
    }
    bool done = false;
    const RequestId id = written_.front();
    // Removes the request from the queue before calling the owner, which may
    // forget it.
    written_.pop_front();
    oldest_since_ = Now();
    owner_->OnLinkReply(id, std::move(reply), &done);
    if (!done) written_.push_front(id);
  }
}

void ClientLink::OnClosed(absl::Status reason) {
  (void)reason;
  Break();
}

void ClientLink::Break() {
  if (closed_) return;
  closed_ = true;
  if (parser_.in_reply()) {
    env_.tracer.Sometimes("client.connection_reset_in_mid_reply");
  }
  connecting_.Cancel();
  resuming_.Cancel();
  connection_.reset();
  for (const RequestId id : std::exchange(written_, {})) {
    owner_->OnLinkBroken(id);
  }
  for (const auto& [id, bytes] : std::exchange(waiting_, {})) {
    owner_->OnLinkRefused(id);
  }
  owner_->OnLinkClosed(this);
}

}  // namespace quorate::sim
