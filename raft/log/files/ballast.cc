#include "raft/log/files/ballast.h"

#include <algorithm>
#include <utility>

namespace quorate::raft {
namespace {

constexpr Duration kFirstAttempt = Seconds(10);
constexpr Duration kNextAttempt = Seconds(60);
// The file was there, or was made: it is looked for again.
constexpr Duration kNextLook = Seconds(600);
// The file is made if more than this many times its size is free.
constexpr uint64_t kBallastFreeFactor = 4;
constexpr uint64_t kPieceBytes = 1 << 20;

}  // namespace

Ballast::Ballast(env::Env& env, uint64_t bytes)
    : disk_(env.disk), loop_(env.loop), bytes_(bytes) {
  if (bytes_ > 0) TryAfter(kFirstAttempt);
}

void Ballast::TryAfter(Duration delay) {
  pending_ = loop_.At(loop_.ReadClock().mono + delay, [this] { Look(); });
}

void Ballast::Look() {
  pending_ =
      disk_.Open(kBallastName, env::Disk::OpenMode::kExisting,
                 [this](absl::StatusOr<std::unique_ptr<env::File>> file) {
                   OnOpened(std::move(file));
                 });
}

void Ballast::OnOpened(absl::StatusOr<std::unique_ptr<env::File>> file) {
  if (absl::IsNotFound(file.status())) return CheckSpace();
  if (!file.ok()) return TryAfter(kNextAttempt);
  file_ = *std::move(file);
  pending_ = file_->Size([this](absl::StatusOr<uint64_t> size) {
    file_.reset();
    // An interrupted attempt, or another configuration, left another size.
    if (!size.ok() || *size != bytes_) return GiveUp();
    TryAfter(kNextLook);
  });
}

void Ballast::CheckSpace() {
  pending_ = disk_.FreeBytes([this](absl::StatusOr<uint64_t> free) {
    if (free.ok() && *free / kBallastFreeFactor >= bytes_) return Create();
    TryAfter(kNextAttempt);
  });
}

void Ballast::Create() {
  pending_ =
      disk_.Open(kBallastName, env::Disk::OpenMode::kCreate,
                 [this](absl::StatusOr<std::unique_ptr<env::File>> file) {
                   if (!file.ok()) return GiveUp();
                   file_ = *std::move(file);
                   fill_ = std::make_unique<ZeroFill>(
                       *file_, 0, bytes_, kPieceBytes, /*limit=*/bytes_,
                       [this](absl::Status status, uint64_t) {
                         if (!status.ok()) return GiveUp();
                         file_.reset();
                         TryAfter(kNextLook);
                       });
                 });
}

void Ballast::GiveUp() {
  file_.reset();
  pending_ = disk_.Remove(kBallastName,
                          [this](absl::Status) { TryAfter(kNextAttempt); });
}

}  // namespace quorate::raft
