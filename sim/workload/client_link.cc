#include "sim/workload/client_link.h"

#include <utility>
#include <vector>

#include "absl/strings/str_split.h"

namespace quorate::sim {

ClientLink::ClientLink(env::Env& env, uint64_t number, std::string server,
                       std::string greeting, Owner* owner)
    : Dialogue(env),
      env_(env),
      number_(number),
      server_(std::move(server)),
      owner_(owner),
      greeting_(std::move(greeting)),
      greeted_(greeting_.empty()) {
  Open(server_, Protocol::kResp);
}

void ClientLink::Send(RequestId id, std::string bytes) {
  if (oldest() == 0) oldest_since_ = Now();
  if (!connected()) {
    waiting_.emplace_back(id, std::move(bytes));
    return;
  }
  written_.push_back(id);
  Dialogue::Send(std::move(bytes));
}

void ClientLink::PauseReads(Duration length) {
  reads_paused_ = true;
  connection()->PauseReads();
  resuming_ = env_.loop.At(Now() + length, [this] {
    reads_paused_ = false;
    connection()->ResumeReads();
  });
}

ClientLink::RequestId ClientLink::oldest() const {
  if (!written_.empty()) return written_.front();
  return waiting_.empty() ? 0 : waiting_.front().first;
}

void ClientLink::OnOpen() {
  if (!greeted_) {
    const std::vector<std::string> words = absl::StrSplit(greeting_, ' ');
    Dialogue::Send(EncodeCommand(words));
  }
  for (auto& [id, bytes] : std::exchange(waiting_, {})) {
    written_.push_back(id);
    Dialogue::Send(std::move(bytes));
  }
}

void ClientLink::OnReply(ClientReply reply) {
  if (!greeted_) {
    greeted_ = true;
    return;
  }
  if (written_.empty()) return Refuse();
  bool done = false;
  const RequestId id = written_.front();
  // Removes the request from the queue before calling the owner, which may
  // forget it.
  written_.pop_front();
  oldest_since_ = Now();
  owner_->OnLinkReply(id, std::move(reply), &done);
  if (!done) written_.push_front(id);
}

void ClientLink::OnOver(const absl::Status& why) {
  if (absl::IsInvalidArgument(why)) owner_->OnLinkMalformed(server_);
  Break();
}

void ClientLink::Break() {
  if (closed_) return;
  closed_ = true;
  if (in_reply()) {
    env_.tracer.Sometimes("client.connection_reset_in_mid_reply");
  }
  resuming_.Cancel();
  Close();
  for (const RequestId id : std::exchange(written_, {})) {
    owner_->OnLinkBroken(id);
  }
  for (const auto& [id, bytes] : std::exchange(waiting_, {})) {
    owner_->OnLinkRefused(id);
  }
  owner_->OnLinkClosed(this);
}

}  // namespace quorate::sim
