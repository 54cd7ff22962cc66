#include "node/controller/copy_stream.h"

namespace quorate::node {

CopyStream::CopyStream(const kv::MovePlan& plan, const kv::StagePlace& place)
    : reader_(plan, place, kChangesBytes), place_(place) {}

kv::SlotPiece CopyStream::Next(size_t bytes_max, bool keeps) {
  if (!kept_.has_value()) {
    kv::SlotPiece piece = reader_.Next(bytes_max);
    if (!keeps) return piece;
    kept_ = {.piece = piece, .bytes = std::string(piece.bytes)};
  }
  kept_->piece.bytes = kept_->bytes;
  return kept_->piece;
}

bool CopyStream::OnAnswer(size_t counted, const kv::MoveAnswer* answer) {
  counted_outstanding_ -= counted;
  // The piece that is kept is sent again.
  if (answer == nullptr && kept_.has_value()) return false;
  kept_.reset();
  if (answer == nullptr || kv::IsRefusal(answer->verdict)) {
    lost_ = true;
    return false;
  }
  place_ = answer->place;
  return true;
}

}  // namespace quorate::node
