#include "examples/locks/server.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "examples/locks/locks.h"

namespace quorate::examples {
namespace {

constexpr GroupId kGroup(1);

}  // namespace

LockServer::LockServer(env::Env& env, raft::HostOptions host,
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
            return std::make_unique<Locks>();
          },
          this),
      members_(host_, kGroup, host.peers) {}

void LockServer::Start(Done started) {
  host_.Start(
      [this, started = std::move(started)](absl::Status status) mutable {
        if (status.ok()) status = clients_.Listen(env_, client_address_);
        started(std::move(status));
      });
}

void LockServer::Handle(const std::string& line, Reply reply) {
  const auto command = ParseLockCommand(line);
  if (!command.has_value()) {
    if (!members_.Handle(line, reply)) reply("not executed: no such request");
  } else if (command->verb == LockCommand::kGet) {
    Get(line, command->lock, std::move(reply));
  } else {
    Propose(line, std::move(reply));
  }
}

void LockServer::Propose(const std::string& line, Reply reply) {
  host_.Propose(
      kGroup, Buffer::Copy(line),
      [this,
       reply = std::move(reply)](const raft::ProposeResult& result) mutable {
        if (result.outcome == Outcome::kDone) {
          return reply(std::string(result.result.view()));
        }
        const bool refused = result.outcome == Outcome::kNotExecuted;
        const NodeId leader = host_.leader(kGroup);
        reply(absl::StrCat(refused ? "not executed: " : "unknown: ",
                           std::string(result.status.message()),
                           leader == NodeId() ? ""
                                              : absl::StrCat("; leader: node ",
                                                             leader.value())));
      });
}

// A lease that is over by the time of the read may be renewed by an entry that
// was proposed before, and is not committed. Where such a lease ends, the log
// decides.
void LockServer::Get(const std::string& line, const std::string& lock,
                     Reply reply) {
  host_.Read(kGroup, [this, line, lock, reply = std::move(reply)](
                         const absl::Status& status) mutable {
    if (!status.ok()) {
      return reply(
          absl::StrCat("not executed: ", std::string(status.message())));
    }
    const raft::Core& core = *host_.core(kGroup);
    LockAnswer answer{
        .done = true,
        .now = std::max(core.read_log_time(), core.applied_log_time()).ms()};
    const Lease* const lease =
        static_cast<const Locks*>(host_.state_machine(kGroup))->Find(lock);
    if (lease != nullptr) answer.lease = *lease;
    if (lease != nullptr && lease->until <= answer.now) {
      return Propose(line, std::move(reply));
    }
    reply(FormatLockAnswer(answer));
  });
}

}  // namespace quorate::examples
