#include "sim/tools/page/example_run.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace quorate::sim {
namespace {

using Kind = Observation::Kind;

constexpr uint32_t kOldLeader = 1;
constexpr uint32_t kNewLeader = 2;
constexpr uint32_t kFollower = 3;
constexpr uint32_t kWriter = 4;
constexpr uint32_t kReader = 5;

}  // namespace

ExampleRun::ExampleRun() {
  input_ = {
      .title = "seed 7, an example",
      .violations = {"linearizability: client 5: get() = nil on k </script> "
                     "from 40000000 ns to 42000000 ns"},
      .names = {"n1", "n2", "n3", "c4", "c5"},
      .trace = &trace_,
      .observations = &observations_};
  Elect();
  Write();
  ReadFromTheFormerLeader();
}

uint64_t ExampleRun::Add(int64_t ms, uint32_t machine, TraceKind kind,
                         uint64_t cause, std::string detail) {
  trace_.push_back({.time = SimTime() + Milliseconds(ms),
                    .machine = MachineId(machine),
                    .kind = kind,
                    .cause = cause,
                    .detail = std::move(detail)});
  return trace_.size();
}

void ExampleRun::See(uint32_t machine, Kind kind, std::string subject,
                     std::string headline, std::string words) {
  observations_.push_back({.time = trace_.back().time,
                           .machine = MachineId(machine),
                           .after = trace_.size(),
                           .kind = kind,
                           .subject = std::move(subject),
                           .headline = std::move(headline),
                           .words = std::move(words)});
}

void ExampleRun::SeeReplica(uint32_t node, std::string headline, int applied,
                            int on_disk) {
  See(node, Kind::kReplica, "group 1", std::move(headline),
      absl::StrCat("commit ", applied, ", applied ", applied, ", log 1..",
                   on_disk, " (last of term 2), on disk to ", on_disk,
                   ", voters n1 n2 n3"));
}

void ExampleRun::SeeEntry(uint32_t node, std::string headline, int index,
                          std::string words) {
  See(node, Kind::kEntry, absl::StrCat("group 1, index ", index),
      std::move(headline), std::move(words));
}

void ExampleRun::Elect() {
  for (const uint32_t node : {kOldLeader, kNewLeader, kFollower}) {
    Add(0, node, TraceKind::kBoot, 0, "start 1");
    SeeReplica(node, "follower of term 1", 0, 0);
  }
  const uint64_t asks = Add(5, kOldLeader, TraceKind::kTimer, 1, "election");
  SeeReplica(kOldLeader, "candidate of term 2", 0, 0);
  Add(6, kNewLeader, TraceKind::kFault, asks, "message_lost");
  const uint64_t votes = Add(7, kFollower, TraceKind::kMessage, asks,
                             "from n1: vote request of group 1");
  Add(8, kOldLeader, TraceKind::kFault, votes, "message_jitter");
  Add(12, kOldLeader, TraceKind::kMessage, votes, "from n3: vote of group 1");
  SeeReplica(kOldLeader, "leader of term 2", 0, 0);
  Add(12, kOldLeader, TraceKind::kLead, 0, "group 1, term 2");
  Add(13, kOldLeader, TraceKind::kPartitionBegins, 0, "n1 apart");
}

void ExampleRun::Write() {
  const uint64_t elects = Add(20, kNewLeader, TraceKind::kTimer, 2, "election");
  Add(21, kFollower, TraceKind::kMessage, elects,
      "from n2: vote request of group 1");
  SeeReplica(kNewLeader, "leader of term 3", 0, 0);
  const uint64_t call = Add(22, kWriter, TraceKind::kTimer, 0, "next call");
  See(kWriter, Kind::kCall, "1", "client 4", "k: put(7) = ?");
  const uint64_t arrives =
      Add(23, kNewLeader, TraceKind::kStreamBytes, call, "from c4: SET k 7");
  SeeEntry(kNewLeader, "appended, term 3", 1, "set k 7");
  for (int i = 0; i < 2; ++i) {
    Add(24 + i, kFollower, TraceKind::kMessage, arrives,
        "from n2: append to group 1");
  }
  SeeEntry(kFollower, "appended, term 3", 1, "set k 7");
  SeeReplica(kFollower, "follower of term 3", 0, 1);
  const uint64_t done =
      Add(26, kNewLeader, TraceKind::kDiskCompletion, arrives, "write log: OK");
  SeeReplica(kNewLeader, "leader of term 3", 1, 1);
  SeeEntry(kNewLeader, "applied, term 3", 1, "set k 7");
  Add(27, kWriter, TraceKind::kStreamBytes, done, "from n2: OK");
  See(kWriter, Kind::kAnswer, "1", "answer", "none");
  Add(28, kFollower, TraceKind::kCrash, 0, "loss of power");
  Add(30, kFollower, TraceKind::kBoot, 0, "start 2");
  Add(31, kNewLeader, TraceKind::kDeed, 0, "pause n2");
  See(kNewLeader, Kind::kLog, "machine", "paused", "");
  Add(34, kNewLeader, TraceKind::kTimer, 0, "end of the pause");
  See(kNewLeader, Kind::kLog, "machine", "runs again", "");
}

void ExampleRun::ReadFromTheFormerLeader() {
  const uint64_t call = Add(40, kReader, TraceKind::kTimer, 0, "next call");
  See(kReader, Kind::kCall, "2", "client 5", "k: get() = ?");
  const uint64_t arrives =
      Add(41, kOldLeader, TraceKind::kStreamBytes, call, "from c5: GET k");
  Add(42, kReader, TraceKind::kStreamBytes, arrives, "from n1: nil");
  See(kReader, Kind::kAnswer, "2", "answer", "nil");
  Add(50, kOldLeader, TraceKind::kPartitionEnds, 0, "n1 apart");
}

}  // namespace quorate::sim
