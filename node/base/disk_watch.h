// node/base/disk_watch.h: the room of the disk of a node, as it is while the
// node runs.
#ifndef QUORATE_NODE_BASE_DISK_WATCH_H_
#define QUORATE_NODE_BASE_DISK_WATCH_H_

#include <cstdint>
#include <functional>

#include "env/env.h"
#include "env/time.h"

namespace quorate::node {

struct DiskRoom {
  uint64_t free_bytes = 0;
  uint64_t size_bytes = 0;  // Zero: it is not known yet.
  friend bool operator==(const DiskRoom&, const DiskRoom&) = default;
};

// Asks the disk every few seconds.
class DiskWatch {
 public:
  static constexpr Duration kInterval = Seconds(5);
  // A disk has room again once it has more than so many times the free bytes of
  // the last refusal. It counts as a disk with room, too, if nothing was
  // refused for so long: perhaps less room is needed now.
  static constexpr uint64_t kRoomFactor = 2;
  static constexpr Duration kForgetAfter = Seconds(600);

  // `refused`: how many snapshots the disk had no room for so far. `changed` is
  // called when lacks_room() has another value. `env` outlives the object.
  DiskWatch(env::Env& env, std::function<uint64_t()> refused,
            std::function<void()> changed);
  DiskWatch(const DiskWatch&) = delete;
  DiskWatch& operator=(const DiskWatch&) = delete;

  void Start() { Look(); }
  void Stop() {
    pending_ = env::Pending();
    timer_ = env::Pending();
  }

  const DiskRoom& room() const { return room_; }
  bool known() const { return room_.size_bytes > 0; }
  // Snapshots fail because the disk has no room. The log grows then, until the
  // disk is full and the log stops.
  bool lacks_room() const { return lacks_room_; }

 private:
  void Look();
  void OnRoom(const DiskRoom& room);
  bool LacksRoom();

  env::Env& env_;
  const std::function<uint64_t()> refused_;
  const std::function<void()> changed_;
  DiskRoom room_;
  bool lacks_room_ = false;
  uint64_t refusals_ = 0;
  // When a refusal was noticed last, and the free bytes at that time.
  MonoTime refused_at_;
  uint64_t free_then_bytes_ = 0;
  env::Pending pending_;
  env::Pending timer_;
};

}  // namespace quorate::node

#endif  // QUORATE_NODE_BASE_DISK_WATCH_H_
