#include "examples/counter/server.h"

#include <cstdint>
#include <memory>
#include <utility>

#include "env/parse_integer.h"
#include "examples/counter/counter.h"

namespace quorate::examples {
namespace {

constexpr GroupId kGroup(1);
constexpr std::string_view kAdd = "add ";

// The state machine refuses a command by a result that is no number.
std::string AnswerOf(std::string_view result) {
  int64_t sum = 0;
  return (ParseInteger(result, &sum) ? "ok " : "not executed: ") +
         std::string(result);
}

}  // namespace

CounterServer::CounterServer(env::Env& env, raft::HostOptions host,
                             std::string client_address, Done stopped)
    : env_(env),
      client_address_(std::move(client_address)),
      stopped_(std::move(stopped)),
      clients_([this](const std::string& line, Reply reply) {
        Handle(line, std::move(reply));
      }),
      host_(
          env,
          [&] {
            host.admit = [this](const raft::JoinRequest& request) {
              return members_.Admit(request);
            };
            return host;
          }(),
          [](GroupId, const raft::Configuration&) {
            return std::make_unique<Counter>();
          },
          this),
      members_(host_, kGroup, host.peers) {}

void CounterServer::Start(Done started) {
  host_.Start(
      [this, started = std::move(started)](absl::Status status) mutable {
        if (status.ok()) status = clients_.Listen(env_, client_address_);
        started(std::move(status));
      });
}

void CounterServer::Handle(std::string_view line, Reply reply) {
  if (line.starts_with(kAdd)) {
    Add(line.substr(kAdd.size()), std::move(reply));
  } else if (line == "sum") {
    Sum(std::move(reply));
  } else if (!members_.Handle(line, reply)) {
    reply("not executed: requests are 'add N' and 'sum'");
  }
}

void CounterServer::Add(std::string_view number, Reply reply) {
  int64_t delta = 0;
  // A command that cannot be applied is refused before it is replicated.
  if (!ParseInteger(number, &delta)) {
    return reply("not executed: a number is expected");
  }
  host_.Propose(kGroup, Buffer::Copy(number),
                [this, reply = std::move(reply)](
                    const raft::ProposeResult& result) mutable {
                  const std::string why(result.status.message());
                  switch (result.outcome) {
                    case Outcome::kDone:
                      return reply(AnswerOf(result.result.view()));
                    case Outcome::kNotExecuted:
                      return reply("not executed: " + why + LeaderHint());
                    case Outcome::kUnknown:
                      return reply("unknown: " + why);
                  }
                });
}

void CounterServer::Sum(Reply reply) {
  host_.Read(kGroup, [this, reply = std::move(reply)](
                         const absl::Status& status) mutable {
    if (!status.ok()) {
      return reply("not executed: " + std::string(status.message()));
    }
    const auto* counter =
        static_cast<const Counter*>(host_.state_machine(kGroup));
    reply("ok " + std::to_string(counter->sum()));
  });
}

std::string CounterServer::LeaderHint() const {
  const NodeId leader = host_.leader(kGroup);
  if (leader == NodeId()) return "";
  return "; node " + std::to_string(leader.value()) + " leads";
}

}  // namespace quorate::examples
