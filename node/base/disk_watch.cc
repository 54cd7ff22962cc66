#include "node/base/disk_watch.h"

#include <utility>

#include "absl/status/statusor.h"

namespace quorate::node {

DiskWatch::DiskWatch(env::Env& env, std::function<uint64_t()> refused,
                     std::function<void()> changed)
    : env_(env), refused_(std::move(refused)), changed_(std::move(changed)) {}

void DiskWatch::Look() {
  pending_ = env_.disk.SizeBytes([this](absl::StatusOr<uint64_t> size) {
    if (!size.ok()) return;
    pending_ = env_.disk.FreeBytes(
        [this, size = *size](absl::StatusOr<uint64_t> free) {
          if (free.ok()) OnRoom({.free_bytes = *free, .size_bytes = size});
        });
  });
  timer_ =
      env_.loop.At(env_.loop.ReadClock().mono + kInterval, [this] { Look(); });
}

void DiskWatch::OnRoom(const DiskRoom& room) {
  room_ = room;
  const bool lacked = std::exchange(lacks_room_, LacksRoom());
  if (lacked != lacks_room_) changed_();
}

bool DiskWatch::LacksRoom() {
  const MonoTime now = env_.loop.ReadClock().mono;
  const uint64_t refused = refused_();
  if (std::exchange(refusals_, refused) != refused) {
    refused_at_ = now;
    free_then_bytes_ = room_.free_bytes;
    return true;
  }
  return lacks_room_ && now < refused_at_ + kForgetAfter &&
         room_.free_bytes / kRoomFactor <= free_then_bytes_;
}

}  // namespace quorate::node
