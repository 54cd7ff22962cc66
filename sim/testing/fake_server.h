// sim/testing/fake_server.h: a RESP server of one process without a log, for
// tests of clients. It is correct, or wrong in a chosen way.
//
// Tests show with it that the checkers of histories find each mistake.
#ifndef QUORATE_SIM_TESTING_FAKE_SERVER_H_
#define QUORATE_SIM_TESTING_FAKE_SERVER_H_

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "env/env.h"
#include "sim/protocol/reply.h"

namespace quorate::sim {

enum class ServerMistake : uint8_t {
  kNone,
  kForgetsWrites,  // Sometimes a write is acknowledged and not done.
  kServesStale,    // Sometimes a read returns the previous value.
  kDoesTwice,      // Sometimes an append or increment is done twice.
  // Sometimes a write is done and the reply is CLUSTERDOWN.
  kDoesWhatItRefuses,
  kNeverAnswers,  // Sometimes a connection is not served any more.
};

class FakeServer {
 public:
  FakeServer(env::Env& env, const std::string& address, ServerMistake mistake);
  ~FakeServer();

 private:
  class Session;
  friend class Session;
  using Words = std::vector<std::string>;

  // The reply to one command outside transactions.
  std::string Execute(const Words& words);
  std::string ExecuteKnown(const Words& words, std::string* value, bool found);
  bool Errs() { return ++count_ % 50 == 0; }

  env::Env& env_;
  const ServerMistake mistake_;
  std::unique_ptr<env::Listener> listener_;
  std::list<std::unique_ptr<Session>> sessions_;
  std::vector<std::unique_ptr<Session>> ended_;
  env::Pending destroy_dropped_;
  std::map<std::string, std::string> values_;
  std::map<std::string, std::string> previous_;
  std::map<std::string, std::string> replies_;  // By session and sequence.
  uint64_t count_ = 0;
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_TESTING_FAKE_SERVER_H_
