// node/controller/copy_stream.h: the pieces of a move that are under way from
// its source to its destination.
#ifndef QUORATE_NODE_CONTROLLER_COPY_STREAM_H_
#define QUORATE_NODE_CONTROLLER_COPY_STREAM_H_

#include <cstddef>
#include <optional>
#include <string>

#include "kv/command/move_command.h"
#include "kv/moves/copy_reader.h"
#include "kv/store/store.h"

namespace quorate::node {

class CopyStream {
 public:
  // Pieces under way. CopyPace bounds their bytes. Clients may have to wait for
  // the entries of all of them.
  static constexpr size_t kPiecesMax = 16;

  // Goes on at the place of the destination.
  CopyStream(const kv::MovePlan& plan, const kv::StagePlace& place);

  // Whether a piece is left. Open looks into the store, as in CopyReader.
  bool Open(const kv::Store& store, const kv::MoveStatus& status) {
    return kept_.has_value() || reader_.Open(store, status);
  }
  bool MayBeLeft(const kv::MoveStatus& status) const {
    return kept_.has_value() || reader_.MayBeLeft(status);
  }
  // Requires: Open has returned true. Its bytes are valid until the next call.
  // `keeps`: the piece is sent again unless the destination takes it.
  kv::SlotPiece Next(size_t bytes_max, bool keeps);
  // A piece is under way. `counted`: CopyPace::Counted of it.
  void OnSent(size_t counted) { counted_outstanding_ += counted; }
  void Close() { reader_.Close(); }
  // Null: no answer came. Returns true if the destination took the piece.
  bool OnAnswer(size_t counted, const kv::MoveAnswer* answer);

  // A piece was refused, or its answer is lost: the destination is to say where
  // it is, once nothing is under way.
  bool lost() const { return lost_; }
  void Lose() { lost_ = true; }
  size_t counted_outstanding() const { return counted_outstanding_; }
  const kv::CopyReader& reader() const { return reader_; }
  // The last change that the destination has.
  kv::ChangeNumber taken_changes() const { return place_.changes; }

 private:
  // The bytes of a stream of changes.
  static constexpr size_t kChangesBytes = size_t{256} << 10;

  kv::CopyReader reader_;
  kv::StagePlace place_;
  struct Kept {
    kv::SlotPiece piece;  // Without its bytes.
    std::string bytes;
  };
  std::optional<Kept> kept_;
  size_t counted_outstanding_ = 0;
  bool lost_ = false;
};

}  // namespace quorate::node

#endif  // QUORATE_NODE_CONTROLLER_COPY_STREAM_H_
