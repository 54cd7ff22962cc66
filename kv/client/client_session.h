// kv/client/client_session.h: the client's side of a session: the numbers of
// its commands, and the floor below which servers may drop results.
#ifndef QUORATE_KV_CLIENT_CLIENT_SESSION_H_
#define QUORATE_KV_CLIENT_CLIENT_SESSION_H_

#include <cstddef>
#include <string>
#include <utility>

#include "absl/container/btree_set.h"
#include "env/check.h"
#include "env/time.h"
#include "kv/command/session_stamp.h"

namespace quorate::kv {

class ClientSession {
 public:
  // `token` is text.
  ClientSession(std::string token, MonoTime opened)
      : token_(std::move(token)), opened_(opened) {}

  const std::string& token() const { return token_; }
  Duration age(MonoTime now) const { return now - opened_; }
  // Takes no further command.
  void Retire() { retired_ = true; }
  bool retired() const { return retired_; }
  // The count of numbers from the floor to the newest: a slot may have to keep
  // a result for each.
  size_t window() const { return next_ - floor(); }

  Sequence Begin() {
    const Sequence sequence = next_;
    ++next_;
    outstanding_.insert(sequence);
    return sequence;
  }
  // The client will not send this command again.
  void Finish(Sequence sequence) { CHECK_EQ(outstanding_.erase(sequence), 1u); }
  // All commands with lower numbers are finished.
  Sequence floor() const {
    return outstanding_.empty() ? next_ : *outstanding_.begin();
  }

 private:
  const std::string token_;
  const MonoTime opened_;
  bool retired_ = false;
  Sequence next_{1};
  absl::btree_set<Sequence> outstanding_;
};

}  // namespace quorate::kv

#endif  // QUORATE_KV_CLIENT_CLIENT_SESSION_H_
