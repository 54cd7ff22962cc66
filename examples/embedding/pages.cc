// The code of the pages README.md and docs/embed, so that it compiles. A test
// compares them (tests/public/pages_test.py).
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "env/parse_integer.h"
#include "net/real_env.h"
#include "raft/host/bytes_state_machine.h"
#include "raft/host/host.h"

namespace quorate {
namespace {

class Counter final : public raft::BytesStateMachine {
 public:
  Buffer Apply(const raft::Entry& entry, bool wants_result) override {
    uint64_t delta = 0;
    const bool adds = ParseInteger(entry.payload.view(), &delta) &&
                      delta <= UINT64_MAX - sum_;
    if (adds) sum_ += delta;
    if (!wants_result) return Buffer();
    return adds ? Save() : Buffer::Copy("no number, or too large");
  }
  Buffer Save() const override { return Buffer::Copy(std::to_string(sum_)); }
  absl::Status Restore(std::string_view state) override {
    if (ParseInteger(state, &sum_)) return absl::OkStatus();
    return absl::DataLossError("not a number");
  }

 private:
  uint64_t sum_ = 0;
};

// Reports that the node stopped.
class Stopped final : public raft::HostObserver {
 public:
  void OnStopped(const absl::Status& why) override { why_ = why; }
  const absl::Status& why() const { return why_; }

 private:
  absl::Status why_;
};

void Refuse(const absl::Status&) {}
void Answer(const Buffer&) {}
void AnswerUnknown() {}

}  // namespace

absl::Status RunNode(bool first_start) {
  Stopped observer;

  // Sockets, disk and clocks of this process, as an env::Env.
  absl::StatusOr<std::unique_ptr<net::RealEnv>> real =
      net::RealEnv::Create({.data_directory = "data"});
  if (!real.ok()) return real.status();

  raft::HostOptions options;
  options.cluster = ClusterId(42);  // Others refuse nodes of other clusters.
  options.node = NodeId(1);
  options.listen_address = "127.0.0.1:17001";
  options.peers = {{NodeId(2), "127.0.0.1:17002"},
                   {NodeId(3), "127.0.0.1:17003"}};
  // The groups with their voting nodes, sorted. Equal on all nodes.
  options.plan.groups = {
      {.group = GroupId(1), .voters = {NodeId(1), NodeId(2), NodeId(3)}}};
  options.bootstrap = first_start;  // Creates a store in an empty directory.
  raft::Host host((*real)->env(), options,
                  [](GroupId, const raft::Configuration&) {
                    return std::make_unique<Counter>();
                  },
                  &observer);
  host.Start([](absl::Status started) {
    if (!started.ok()) Refuse(started);
  });

  (*real)->loop().Run();  // Returns after a call of loop().Stop().
  return observer.why();
}

void Add(raft::Host& host, std::string number) {
  host.Propose(GroupId(1), Buffer::Copy(number),
               [](const raft::ProposeResult& result) {
                 switch (result.outcome) {
                   case Outcome::kDone:  // Applied here, exactly once.
                     return Answer(result.result);
                   case Outcome::kNotExecuted:  // It never will be: try again.
                     return Refuse(result.status);
                   case Outcome::kUnknown:  // It may have been executed.
                     return AnswerUnknown();
                 }
               });
}

void Sum(raft::Host& host) {
  host.Read(GroupId(1), [&host](absl::Status current) {
    if (!current.ok()) return Refuse(current);
    Answer(static_cast<Counter*>(host.state_machine(GroupId(1)))->Save());
  });
}

void AddFromAnyThread(net::EventLoop& loop, raft::Host& host,
                      std::string number) {
  loop.Post([&host, number = std::move(number)]() mutable {
    Add(host, std::move(number));
  });
}

}  // namespace quorate
