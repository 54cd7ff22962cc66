#include "sim/cluster/wrong_state.h"

#include <algorithm>
#include <cstddef>
#include <memory>
#include <string_view>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "env/check.h"
#include "env/crc32c.h"
#include "env/little_endian.h"
#include "sim/cluster/snapshot_fields.h"

namespace quorate::sim {
namespace {

constexpr size_t kPieceBytes = 1 << 20;
// The entry of the removal: that of the first configuration.
constexpr uint64_t kNoCommand = 1;

// The state in one piece.
std::string SnapshotOf(kv::Store* store) {
  const std::unique_ptr<raft::SnapshotReader> reader = store->TakeSnapshot();
  std::string bytes;
  while (true) {
    const Buffer piece = reader->Next(kPieceBytes);
    if (piece.size() == 0) return bytes;
    bytes += piece.view();
  }
}

// Replaces the state by another one, whose checksum is that of before.
void Replace(kv::Store* store, std::string bytes) {
  bytes.resize(bytes.size() - kSnapshotChecksumBytes);
  AppendFixed(&bytes, Crc32c(0, bytes));
  const uint64_t before = store->Digest();
  const std::unique_ptr<raft::SnapshotWriter> writer = store->BeginRestore({});
  const absl::Status added = writer->Add(bytes);
  CHECK(added.ok()) << added.ToString();
  const absl::Status committed = writer->Commit();
  CHECK(committed.ok()) << committed.ToString();
  CHECK(store->Digest() != before);
}

// The text of raft::Host for a replica that differs from a majority.
bool IsForState(const absl::Status& why) {
  return absl::StrContains(why.message(), "differs from that of a majority");
}

}  // namespace

bool SpoilState(kv::Store* store, GroupId group, uint64_t draw) {
  const auto& runs = store->slot_runs();
  if (runs.empty()) return false;
  const kv::SlotRun& run = runs[draw % runs.size()];
  const auto slots = static_cast<uint64_t>(run.last.value()) -
                     static_cast<uint64_t>(run.first.value()) + 1;
  const auto value =
      static_cast<uint16_t>(run.first.value() + draw / runs.size() % slots);
  if (store->key_count({Slot(value), Slot(value)}) != 0) return false;
  std::string bytes = SnapshotOf(store);
  const size_t count_at = SnapshotRemovalsAt(bytes);
  const auto count = LoadFixed<uint32_t>(bytes, count_at);
  size_t at = count_at + sizeof(uint32_t);
  for (uint32_t i = 0; i < count; ++i, at += kSnapshotRemovalBytes) {
    const auto other = LoadFixed<uint16_t>(bytes, at);
    if (other == value) return false;
    if (other > value) break;
  }
  std::string removal;
  AppendFixed(&removal, value);
  AppendFixed(&removal, group.value());
  AppendFixed(&removal, uint32_t{0});
  AppendFixed(&removal, kNoCommand);
  CHECK_EQ(removal.size(), kSnapshotRemovalBytes);
  bytes.insert(at, removal);
  StoreFixed(bytes.data() + count_at, count + 1);
  Replace(store, std::move(bytes));
  return true;
}

bool MendState(kv::Store* store) {
  std::string bytes = SnapshotOf(store);
  const size_t count_at = SnapshotRemovalsAt(bytes);
  const auto count = LoadFixed<uint32_t>(bytes, count_at);
  size_t at = count_at + sizeof(uint32_t);
  uint32_t left = 0;
  for (uint32_t i = 0; i < count; ++i) {
    if (LoadFixed<uint64_t>(bytes, at + kSnapshotRemovalBytes -
                                       sizeof(uint64_t)) == kNoCommand) {
      bytes.erase(at, kSnapshotRemovalBytes);
    } else {
      at += kSnapshotRemovalBytes;
      ++left;
    }
  }
  if (left == count) return false;
  StoreFixed(bytes.data() + count_at, left);
  Replace(store, std::move(bytes));
  return true;
}

WrongStates::Replica* WrongStates::Find(NodeId node, GroupId group) {
  const auto it = replicas_.find({node, group});
  return it == replicas_.end() ? nullptr : &it->second;
}

void WrongStates::Add(NodeId node, GroupId group, ReplicaId replica,
                      raft::Index index, uint64_t interval) {
  CHECK_GT(interval, 0u);
  groups_.insert(group);
  replicas_[{node, group}] = {
      .replica = replica, .since = index, .interval = interval};
}

void WrongStates::OnApplied(NodeId node, GroupId group, raft::Index index,
                            SimTime now) {
  if (replicas_.empty()) return;
  Replica* const replica = Find(node, group);
  if (replica == nullptr || replica->state != State::kWrong ||
      index.value() % replica->interval != 0 ||
      replica->compared_at.has_value()) {
    return;
  }
  replica->compared_at = now;
}

// Digests from before are still kept, so it may be fenced later.
void WrongStates::OnRestored(NodeId node, GroupId group) {
  Replica* const replica = Find(node, group);
  if (replica != nullptr && replica->state == State::kWrong) {
    replica->state = State::kRestored;
  }
}

void WrongStates::OnMended(NodeId node, GroupId group) {
  Replica& replica = replicas_[{node, group}];
  if (replica.state == State::kWrong) replica.state = State::kRestored;
}

void WrongStates::OnFenced(NodeId node, GroupId group,
                           const absl::Status& why) {
  if (!IsForState(why)) return;
  Replica* const replica = Find(node, group);
  if (replica != nullptr) {
    replica->state = State::kFenced;
    return;
  }
  violate_(absl::StrCat("fenced: node ", node.value(), ", group ",
                        group.value(),
                        ", though its state is right: ", why.ToString()));
}

void WrongStates::OnDiffer(NodeId node, GroupId group) {
  if (groups_.contains(group)) return;
  violate_(absl::StrCat("digest: node ", node.value(), " reports that group ",
                        group.value(),
                        " has different states, though all are right"));
}

void WrongStates::OnDropped(NodeId node, GroupId group) {
  auto replica = replicas_.extract({node, group});
  if (replica.empty()) return;
  dropped_[replica.key()] = replica.mapped();
}

bool WrongStates::OnStart(NodeId node, GroupId group, ReplicaId replica) {
  auto dropped = dropped_.extract({node, group});
  if (dropped.empty() || dropped.mapped().replica != replica) return false;
  dropped.mapped().state = State::kFenced;
  replicas_[dropped.key()] = dropped.mapped();
  return true;
}

bool WrongStates::OnWorks(NodeId node, GroupId group) {
  Replica* const replica = Find(node, group);
  if (replica == nullptr || replica->state != State::kFenced) return false;
  if (replica->fence_is_durable) {
    violate_(absl::StrCat("fenced: node ", node.value(), " serves group ",
                          group.value(),
                          " again, though its disk says that it is fenced"));
  }
  return true;
}

void WrongStates::OnFencedAtStart(NodeId node, GroupId group) {
  Replica* const replica = Find(node, group);
  if (replica != nullptr && replica->state == State::kFenced) {
    replica->fence_is_durable = true;
  }
}

void WrongStates::Check(SimTime now, SimTime calm_since, Duration bound,
                        Connected connected) {
  for (auto& [key, replica] : replicas_) {
    if (replica.state != State::kWrong || !replica.compared_at.has_value()) {
      continue;
    }
    const auto [node, group] = key;
    // The leader stops asking after some time, so a fault may have hidden the
    // question.
    if (*replica.compared_at <= calm_since || !connected(node, group)) {
      replica.compared_at.reset();
    } else if (now - *replica.compared_at >= bound) {
      violate_(absl::StrCat("digest: node ", node.value(),
                            " was not fenced, though its state of group ",
                            group.value(), " after index ",
                            replica.since.value(),
                            " differs from that of a majority"));
      return;
    }
  }
}

bool WrongStates::IsWrong(NodeId node, GroupId group) const {
  const auto it = replicas_.find({node, group});
  return it != replicas_.end() && it->second.state == State::kWrong;
}

bool WrongStates::HasWrong(NodeId node) const {
  return std::any_of(replicas_.begin(), replicas_.end(), [&](const auto& one) {
    return one.first.first == node && one.second.state == State::kWrong;
  });
}

}  // namespace quorate::sim
