// kv/client/client.h: the C++ client. It is asynchronous and pipelined, and
// uses env interfaces, so that it also runs in the simulator.
//
// The client learns which node serves which slot (QUORATE.SLOTS, MOVED),
// connects to every node it needs, and retries until a request's deadline.
// Writes carry a session stamp (QUORATE.SESSION, QUORATE.DO), so a retry never
// applies a write twice.
//
// Every request ends with an Outcome: done, not executed, or unknown. "Not
// executed" requires that no try can have been executed. A refusal after a try
// whose reply was lost is unknown, unless the store's answer holds for all
// tries.
//
// Requests that are outstanding together may take effect in any order, even on
// one key. To order two requests, wait for the first result before sending the
// second.
//
//   kv::Client client(loop, streams, Random(seed),
//                     {.seeds = {"127.0.0.1:7001"}});
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
  // RESP addresses as "host:port"; at least one. The client learns other
  // addresses.
  std::vector<std::string> seeds = {};
  // The zone of the client (`quoratectl node set --zone`). Reads that may be
  // stale go to nodes of this zone, if some have the slot. Empty: to any.
  std::string zone = {};
  // False: writes carry no stamp and are sent once. A write whose reply is lost
  // is unknown at once.
  bool sessions = true;
  // The limit from call to result.
  Duration deadline = Seconds(10);
  // The limit of one try, and of a dial. Longer than a server holds a request
  // while its group has no leader.
  Duration attempt_timeout = Seconds(3);
  // A write whose tries were all refused is not sent in the last part of its
  // time. A later answer would leave its outcome unknown. The part is this
  // long, plus the longest answer to a try of the write, and at most half of
  // the deadline.
  Duration last_try = Milliseconds(250);
  // The pause between tries doubles from the least to the most, plus up to the
  // same amount of jitter.
  Duration backoff_min = Milliseconds(5);
  Duration backoff_max = Milliseconds(500);
  // Requests sent but not answered, over all connections; further requests
  // wait.
  size_t outstanding_max = 1024;
  // Requests that wait. Above it, further requests fail at once as not
  // executed.
  size_t waiting_max = 64 << 10;
};

// How old the answer of a read may be (docs/guarantees.md).
struct ReadConsistency {
  enum class Level : uint8_t {
    kLinearizable,  // It has every write that was confirmed before.
    kBounded,       // The same for writes confirmed longer ago than `bound`.
    kEventual,      // Some earlier state of one replica.
  };
  Level level = Level::kLinearizable;
  Duration bound = {};  // 1 ms to 24 h, in whole milliseconds.

  static ReadConsistency Bounded(Duration bound) {
    return {.level = Level::kBounded, .bound = bound};
  }
  static ReadConsistency Eventual() { return {.level = Level::kEventual}; }
};

struct ClientRequest {
  std::vector<std::string> arguments = {};
  // The key decides the slot. Without a key any node will do, and no session is
  // used.
  std::optional<std::string> key = {};
  // The request changes nothing, so the client may resend it freely.
  bool read_only = false;
  // Only a read with a key may have another one than the default. Each replica
  // of the slot may answer then; by the addresses for plain clients, the one on
  // the node that is asked.
  ReadConsistency consistency = {};
};

struct ClientResult {
  // For a read: kDone if it was answered, else kNotExecuted.
  Outcome outcome = Outcome::kUnknown;
  // OK: `reply` is the server's reply. kInvalidArgument: the server refused the
  // last try; `reply` and the message have its text. Or the request cannot be
  // sent: `reply` is empty. Without a reply: kDeadlineExceeded, kUnavailable,
  // kResourceExhausted, or kAborted (the session expired).
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

  // `loop` and `streams` outlive the client.
  Client(env::Loop& loop, env::Streams& streams, Random random,
         ClientOptions options);
  // The callbacks of unfinished requests are not called.
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // `done` is called once, in a later callback of the loop. It may call the
  // client, but not destroy it.
  void Do(ClientRequest request, Done done);

  // Common commands.
  void Get(std::string_view key, Done done);
  void Get(std::string_view key, ReadConsistency consistency, Done done);
  void Set(std::string_view key, std::string_view value, Done done);
  void Del(std::string_view key, Done done);
  void IncrBy(std::string_view key, int64_t delta, Done done);
  void Append(std::string_view key, std::string_view suffix, Done done);

  // Unfinished requests.
  size_t outstanding() const;
  Counters counters() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace quorate::kv

#endif  // QUORATE_KV_CLIENT_CLIENT_H_
