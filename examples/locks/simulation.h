// examples/locks/simulation.h: what the simulator needs to test the lock
// service as a whole: how it starts, what clients ask, and the model.
#ifndef QUORATE_EXAMPLES_LOCKS_SIMULATION_H_
#define QUORATE_EXAMPLES_LOCKS_SIMULATION_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "examples/locks/model.h"
#include "examples/locks/protocol.h"
#include "examples/locks/server.h"
#include "sim/harness/server_subject.h"

namespace quorate::examples {

// T is LockServer, or one with a mistake.
template <typename T>
class LockServerTest final : public sim::ServerTest {
 public:
  Server Start(env::Env& env, const Node& node, Done started,
               Done stopped) override {
    auto server = std::make_shared<T>(env, node.host, node.client_address,
                                      std::move(stopped));
    server->Start(std::move(started));
    return {.program = server,
            .host = &server->host(),
            .members = &server->members()};
  }

  // Each acquisition has an owner of its own, so that its client finds out
  // whether it was done. It is a payload that no other request has.
  Request Draw(uint32_t client, const Random& random,
               lincheck::History& values) override {
    const std::string lock =
        absl::StrCat("lock", random.Below(kLocks, "example.lock", 0, 0));
    const uint64_t token = tokens_[{client, lock}];
    // Half of the leases end while others ask.
    const bool is_short = random.Chance({1, 2}, "example.short", 0, 0);
    const int64_t ms =
        1 + random.Below(is_short ? 100 : 2'000, "example.ms", 0, 0);
    // A client without a lease seldom renews or releases the one it had.
    const uint64_t draw = random.Below(8, "example.verb", 0, 0);
    std::string line;
    uint8_t verb = LockCommand::kGet;
    if (draw < 2) {
      line = "get " + lock;
    } else if (token == 0 || draw == 2) {
      verb = LockCommand::kAcquire;
      line = absl::StrCat("acquire ", lock, " ", OwnerOf(client),
                          ++numbers_[client], " ", ms);
    } else if (draw < 6) {
      verb = LockCommand::kRenew;
      line = absl::StrCat("renew ", lock, " ", token, " ", ms);
    } else {
      verb = LockCommand::kRelease;
      line = absl::StrCat("release ", lock, " ", token);
    }
    return {.bytes = line + "\n",
            .operation = {.function = verb, .argument = values.String(line)},
            .object = lock,
            .repeatable = verb == LockCommand::kGet,
            .entry = verb == LockCommand::kAcquire ? line : ""};
  }

  std::optional<Reply> ReadReply(const Request& request, std::string_view bytes,
                                 lincheck::History& values) override {
    if (!bytes.ends_with('\n')) return std::nullopt;
    bytes.remove_suffix(1);
    if (bytes.starts_with("not executed: ")) {
      return Reply{.outcome = Outcome::kNotExecuted};
    }
    if (bytes.starts_with("unknown: ")) return Reply{};
    const auto answer = ParseLockAnswer(bytes);
    const uint32_t client = request.operation.client;
    const bool holds = answer.has_value() && answer->lease.has_value() &&
                       answer->lease->owner.starts_with(OwnerOf(client));
    tokens_[{client, request.object}] = holds ? answer->lease->token : 0;
    return Reply{Outcome::kDone, values.String(bytes)};
  }

  const lincheck::Model& model() const override { return model_; }

 private:
  static constexpr uint64_t kLocks = 2;

  // The names of its owners begin with it.
  static std::string OwnerOf(uint32_t client) {
    return absl::StrCat("c", client, ".");
  }

  std::map<uint32_t, uint64_t> numbers_;
  // The token of each client and lock. Zero: the client holds no lease.
  std::map<std::pair<uint32_t, std::string>, uint64_t> tokens_;
  const lincheck::ModelOf<LockModel> model_;
};

template <typename T = LockServer>
std::unique_ptr<sim::Subject> SimulatedLockServer(sim::World& world) {
  return std::make_unique<sim::ServerSubject>(
      &world, std::make_unique<LockServerTest<T>>(),
      sim::ServerSubjectOptions{.members = {3, 4}});
}

}  // namespace quorate::examples

#endif  // QUORATE_EXAMPLES_LOCKS_SIMULATION_H_
