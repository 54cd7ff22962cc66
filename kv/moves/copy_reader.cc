#include "kv/moves/copy_reader.h"

#include <utility>

namespace quorate::kv {

MoveStatus StatusOf(const Store& store, MoveId move) {
  for (MoveStatus& status : store.moves()) {
    if (status.plan.id == move) return std::move(status);
  }
  return {};
}

uint64_t BytesOf(const MovePlan& plan, const Store& store) {
  uint64_t bytes = 0;
  for (const SlotRange& range : plan.slots) bytes += store.size_bytes(range);
  return bytes;
}

CopyReader::CopyReader(const MovePlan& plan, const StagePlace& place,
                       size_t changes_bytes)
    : plan_(plan),
      slot_count_(SlotCountOf(plan)),
      changes_bytes_(changes_bytes),
      next_slot_(place.slots),
      next_change_(place.changes),
      begun_(place.stream),
      begun_offset_(place.offset) {}

bool CopyReader::Open(const Store& store, const MoveStatus& status) {
  Close();
  if (stream_ != nullptr) return true;
  if (next_slot_ < slot_count_) {
    stream_ = store.ReadSlot(plan_.id, SlotAt(plan_, next_slot_));
  } else if (status.changes_settled > next_change_) {
    stream_ = store.ReadChanges(plan_.id, next_change_, status.changes_settled,
                                changes_bytes_);
  }
  if (stream_ == nullptr) return false;
  // Pieces that another reader sent may be there.
  if (stream_->stream() == begun_) stream_->SkipTo(begun_offset_);
  return true;
}

SlotPiece CopyReader::Next(size_t bytes_max) {
  const SlotPiece piece = stream_->Next(bytes_max);
  if (piece.ends) {
    if (piece.stream.changes) {
      next_change_ = piece.stream.to;
    } else {
      ++next_slot_;
    }
  }
  return piece;
}

void CopyReader::Close() {
  if (stream_ != nullptr && stream_->done()) stream_.reset();
}

bool CopyReader::MayBeLeft(const MoveStatus& status) const {
  const bool reads = stream_ != nullptr && !stream_->done();
  return reads || reads_slots() || status.changes_settled > next_change_;
}

bool CopyReader::OneStreamLeft(const Store& store,
                               const MoveStatus& status) const {
  const ChangeNumber last = status.at.changes;
  if (last.value() - next_change_.value() > kFewChanges) return false;
  const auto rest =
      store.ReadChanges(plan_.id, next_change_, last, changes_bytes_);
  return rest == nullptr || rest->stream().to == last;
}

}  // namespace quorate::kv
