// raft/host/bounds/node_room.h: bytes of all groups of a node that wait for its
// disk or its processor.
//
// Each group bounds its own bytes. A node with many groups beside a disk that
// hangs would hold as many times that bound. Used only by the host.
#ifndef QUORATE_RAFT_HOST_BOUNDS_NODE_ROOM_H_
#define QUORATE_RAFT_HOST_BOUNDS_NODE_ROOM_H_

#include <algorithm>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "env/bulk/bulk_pace.h"
#include "env/loop.h"
#include "env/pending.h"
#include "env/quota.h"
#include "raft/core/types.h"

namespace quorate::raft {

class NodeRoom final : public Quota {
 public:
  // `on_room` is called when the room opens, and must not ask for bytes then.
  explicit NodeRoom(uint64_t bytes_max,
                    absl::AnyInvocable<void()> on_room = nullptr)
      : bytes_max_(bytes_max), on_room_(std::move(on_room)) {}

  // Whether so many bytes may be held now. If they do not fit, the room closes
  // for all groups until half of it is free and all that it refused would fit.
  // Otherwise a group with small writes could keep others waiting, and leaders
  // would send what few followers can take.
  bool Admit(uint64_t bytes) {
    if (refused_bytes_ == 0 && Fits(bytes)) return true;
    refused_bytes_ = std::max({refused_bytes_, bytes, uint64_t{1}});
    return false;
  }
  // Whether so many bytes fit. Any number does while there are none.
  bool Fits(uint64_t bytes) const {
    const uint64_t held = Quota::bytes();
    return held == 0 || (bytes <= bytes_max_ && held <= bytes_max_ - bytes);
  }
  uint64_t bytes_max() const { return bytes_max_; }
  // The most that was refused since it closed; zero: it is open.
  uint64_t refused_bytes() const { return refused_bytes_; }

 private:
  void OnChange(uint64_t before) override {
    if (bytes() > before || refused_bytes_ == 0 || bytes() > bytes_max_ / 2 ||
        !Fits(refused_bytes_)) {
      return;
    }
    refused_bytes_ = 0;
    if (on_room_) on_room_();
  }

  const uint64_t bytes_max_;
  absl::AnyInvocable<void()> on_room_;
  uint64_t refused_bytes_ = 0;
};

// Reads of the disk for several replicas. A read waits until its bytes fit, in
// the order of the calls.
class ReadRoom {
 public:
  using Begin = absl::AnyInvocable<void(Quota::Share)>;

  // Both outlive the object. `pace` may be null: then no read waits for it.
  ReadRoom(env::Loop& loop, env::BulkPace* pace, uint64_t bytes_max)
      : loop_(loop), pace_(pace), room_(bytes_max) {}

  // Calls `begin`, perhaps at once. The read lasts as long as its argument. It
  // replaces an earlier one of `reader` for `to` that still waits.
  void Add(env::BulkKind kind, ReplicaId reader, ReplicaId to, uint64_t bytes,
           Begin begin) {
    const Key key(reader, to);
    if (waiting_.insert_or_assign(key, Waiting{kind, bytes, std::move(begin)})
            .second) {
      order_.push_back(key);
    }
    BeginWaiting();
  }
  // Call when a read has ended.
  void BeginWaiting() {
    while (!order_.empty()) {
      const auto first = waiting_.find(order_.front());
      if (!room_.Fits(first->second.bytes) || !MayBegin(first->second)) return;
      Waiting read = std::move(first->second);
      waiting_.erase(first);
      order_.pop_front();
      read.begin(Quota::Share(room_, read.bytes));
    }
  }
  uint64_t bytes() const { return room_.bytes(); }

 private:
  using Key = std::pair<ReplicaId, ReplicaId>;
  struct Waiting {
    env::BulkKind kind;
    uint64_t bytes;
    Begin begin;
  };

  // Whether the pace allows the first read. If not, the object goes on later.
  bool MayBegin(const Waiting& first) {
    if (pace_ == nullptr) return true;
    const MonoTime now = loop_.ReadClock().mono;
    if (!first_at_.has_value()) {
      // A follower that lacks entries must not fall behind further.
      const uint64_t haste = first.kind == env::BulkKind::kCatchUp ? 2 : 1;
      first_at_ = pace_->Reserve(first.kind, first.bytes, haste);
      if (now < *first_at_) {
        timer_ = loop_.At(*first_at_, [this] { BeginWaiting(); });
      }
    }
    if (now < *first_at_) return false;
    first_at_.reset();
    return true;
  }

  env::Loop& loop_;
  env::BulkPace* const pace_;
  NodeRoom room_;
  // The time that the pace gave for the first read.
  std::optional<MonoTime> first_at_;
  env::Pending timer_;
  std::map<Key, Waiting> waiting_;
  std::deque<Key> order_;
};

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_HOST_BOUNDS_NODE_ROOM_H_
