// kv/client/client.h: the C++ client: asynchronous, pipelined, against an environment, so that it runs in the simulator too.
//
// It learns who serves which slot (CLUSTER SLOTS, MOVED), connects to every node it needs, and tries again until a request's
// deadline. Writes carry a session stamp (QUORATE.SESSION, QUORATE.DO), so trying again never applies one twice. Every
// request ends with an Outcome: done, certainly not, or unknown. It is certainly not executed only if no try can have been: a
// refusal after a try whose reply was lost is unknown, unless the store's answer holds for all tries.
//
// Requests that are outstanding at the same time may take effect in any order, even on one key: wait for one before sending
// another that must come after it.
//
//   kv::Client client(loop, streams, Random(seed), {.seeds = {"127.0.0.1:7001"}});
//   client.Set("k", "v", [](const kv::ClientResult& result) { … });
#ifndef QUORATE_KV_CLIENT_CLIENT_H_
#define QUORATE_KV_CLIENT_CLIENT_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "env/byte_streams.h"
#include "env/loop.h"
#include "env/outcome.h"
#include "env/random.h"
#include "env/time.h"
#include "kv/client/resp_reply.h"

namespace quorate::kv {

struct ClientOptions {
  // "host:port" of RESP; at least one. Others are learned.
  std::vector<std::string> seeds = {};
  // False: writes carry no stamp and are sent once; one whose reply is lost is unknown at once.
  bool sessions = true;
  // From the call to the end, whatever happens.
  Duration deadline = Seconds(10);
  // For one try; longer than servers hold a request while their group has no leader.
  Duration attempt_timeout = Seconds(3);
  // Between tries: doubles from the least to the most, with as much jitter again.
  Duration backoff_min = Milliseconds(5);
  Duration backoff_max = Milliseconds(500);
  // Requests sent and not answered, over all connections; further ones wait.
  size_t outstanding_max = 1024;
  // Requests that wait; beyond it they are refused at once, certainly not applied.
  size_t waiting_max = 64 << 10;
};

struct ClientRequest {
  std::vector<std::string> arguments = {};
  // Decides the slot; none: any node will do, and no session is used.
  std::optional<std::string> key = {};
  // Changes nothing: may be sent again freely.
  bool read_only = false;
};

struct ClientResult {
  // Of a read: kDone if it was answered, else kNotExecuted.
  Outcome outcome = Outcome::kUnknown;
  // OK: `reply` is the server's. kInvalidArgument: the server refused the last try, its text in `reply` and message.
  // kDeadlineExceeded, kUnavailable, kResourceExhausted, kAborted (the session expired) say why there is no reply.
  absl::Status status;
  RespValue reply;
};

class Client {
 public:
  using Done = absl::AnyInvocable<void(const ClientResult&)>;

  struct Counters {
    uint64_t requests = 0;
    uint64_t attempts = 0;
    uint64_t redirects = 0;
    uint64_t links_broken = 0;
    uint64_t attempts_timed_out = 0;
    uint64_t sessions_opened = 0;
    uint64_t sessions_expired = 0;
    uint64_t done = 0;
    uint64_t not_executed = 0;
    uint64_t unknown = 0;
  };

  // Loop and streams outlive the client.
  Client(env::Loop& loop, env::Streams& streams, Random random,
         ClientOptions options);
  // Requests not finished are forgotten: their callbacks are not called.
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // `done` is called once, in a later callback of the loop. It may call the client, not destroy it.
  void Do(ClientRequest request, Done done);

  // The common ones.
  void Get(std::string_view key, Done done);
  void Set(std::string_view key, std::string_view value, Done done);
  void Del(std::string_view key, Done done);
  void IncrBy(std::string_view key, int64_t delta, Done done);
  void Append(std::string_view key, std::string_view suffix, Done done);

  // Requests not finished.
  size_t outstanding() const;
  Counters counters() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace quorate::kv

#endif  // QUORATE_KV_CLIENT_CLIENT_H_
