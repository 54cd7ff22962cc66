// kv/moves/copy_reader.h: reads the pieces that the destination of a move
// lacks, at the source. They are the slots in the order of the plan, and then
// all changes that are settled.
//
//   CopyReader reader(plan, answer.place);
//   while (reader.Open(store, status)) Send(reader.Next(kPieceBytesMax));
#ifndef QUORATE_KV_MOVES_COPY_READER_H_
#define QUORATE_KV_MOVES_COPY_READER_H_

#include <cstddef>
#include <cstdint>
#include <memory>

#include "kv/command/move_command.h"
#include "kv/store/slot_items.h"
#include "kv/store/store.h"

namespace quorate::kv {

// A move as the store knows it. Phase kNone: it does not know the move.
MoveStatus StatusOf(const Store& store, MoveId move);
// The bytes of the keys in the slots of a plan.
uint64_t BytesOf(const MovePlan& plan, const Store& store);

class CopyReader {
 public:
  // Goes on at the place of the destination. A stream of changes has about
  // `changes_bytes`, and at least one change.
  CopyReader(const MovePlan& plan, const StagePlace& place,
             size_t changes_bytes);

  // Whether a piece is left. `status` is that of the store, which is the source
  // of the move and tracks it, or is frozen.
  bool Open(const Store& store, const MoveStatus& status);
  // The next piece of at most `bytes_max` bytes, which are valid until the next
  // call of Open or Next. Requires: Open has returned true.
  SlotPiece Next(size_t bytes_max);

  // Frees the stream that was read to its end.
  void Close();

  // Slots are left, or a part of one.
  bool reads_slots() const { return next_slot_ < slot_count_; }
  // Whether a piece may be left: Open would look.
  bool MayBeLeft(const MoveStatus& status) const;
  // The last change that was read.
  ChangeNumber changes() const { return next_change_; }
  // Whether one stream has all changes that are left, settled or not.
  bool OneStreamLeft(const Store& store, const MoveStatus& status) const;

 private:
  // So few changes are one stream, unless they are large.
  static constexpr uint64_t kFewChanges = 4096;

  MovePlan plan_;
  uint32_t slot_count_;
  size_t changes_bytes_;
  uint32_t next_slot_;
  ChangeNumber next_change_;
  // The stream that the destination has a part of, and the bytes of that part.
  PieceStream begun_;
  uint64_t begun_offset_;
  std::unique_ptr<PieceReader> stream_;
};

}  // namespace quorate::kv

#endif  // QUORATE_KV_MOVES_COPY_READER_H_
