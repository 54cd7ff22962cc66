#include "shardctrl/controller/machine.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "env/siphash.h"
#include "shardctrl/controller/apply.h"
#include "shardctrl/controller/command.h"

namespace quorate::shardctrl {
namespace {

// A command may plan the replicas of all groups again.
constexpr uint64_t kPlanWork = 16 << 10;

class Reader final : public raft::SnapshotReader {
 public:
  explicit Reader(std::string bytes) : rest_(Buffer::Take(std::move(bytes))) {}
  Buffer Next(size_t size_bytes_max) override {
    Buffer piece = rest_.Slice(0, std::min(size_bytes_max, rest_.size()));
    rest_ = rest_.Suffix(piece.size());
    return piece;
  }

 private:
  Buffer rest_;
};

class Writer final : public raft::SnapshotWriter {
 public:
  Writer(ClusterState* state, MapVersion* digested)
      : state_(*state), digested_(*digested) {}
  absl::Status Add(std::string_view bytes) override {
    bytes_.append(bytes);
    return absl::OkStatus();
  }
  absl::Status Commit() override {
    auto state = DecodeState(bytes_);
    if (!state.ok()) return state.status();
    state_ = *std::move(state);
    digested_ = MapVersion();
    return absl::OkStatus();
  }

 private:
  ClusterState& state_;
  MapVersion& digested_;
  std::string bytes_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<ControllerMachine>> ControllerMachine::Create(
    std::string_view parameters, raft::Level known_level) {
  auto state = DecodeState(parameters);
  if (!state.ok()) return state.status();
  return std::unique_ptr<ControllerMachine>(
      new ControllerMachine(*std::move(state), known_level));
}

Buffer ControllerMachine::Apply(const raft::Entry& entry, bool wants_result) {
  const auto command = DecodeCommand(entry.payload.view());
  ControllerAnswer answer;
  if (command.ok()) {
    answer = ApplyCommand(*command, entry.log_time, &state_);
  } else {
    answer.outcome = ControllerAnswer::Outcome::kRefused;
    answer.text = std::string(command.status().message());
    answer.version = state_.version;
  }
  return wants_result ? Buffer::Copy(EncodeAnswer(answer)) : Buffer();
}

raft::Level ControllerMachine::LevelOf(const Buffer& payload) const {
  const bool newer =
      absl::IsUnimplemented(DecodeCommand(payload.view()).status());
  return newer ? raft::Level(known_level().value() + 1) : raft::Level(1);
}

uint64_t ControllerMachine::WorkOf(const Buffer& payload) const {
  return payload.size() + kPlanWork;
}

std::unique_ptr<raft::SnapshotReader> ControllerMachine::TakeSnapshot() {
  return std::make_unique<Reader>(EncodeState(state_));
}

std::unique_ptr<raft::SnapshotWriter> ControllerMachine::BeginRestore(
    const raft::SnapshotDescriptor&) {
  return std::make_unique<Writer>(&state_, &digested_);
}

// Every change of the state raises its version.
uint64_t ControllerMachine::Digest() const {
  if (digested_ != state_.version) {
    digest_ = SipHash(SipKey{}, EncodeState(state_));
    digested_ = state_.version;
  }
  return digest_;
}

}  // namespace quorate::shardctrl
