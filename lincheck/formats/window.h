// lincheck/formats/window.h: the part of a file that a reader looks at.
//
// A contiguous stretch of bytes that grows at its end and is consumed from its
// beginning. It knows the line and column of each byte in it. A reader that
// reaches the end of the window within a piece calls Grow and begins the piece
// again. Since growing doubles the window, that costs little. A byte order mark
// at the beginning of the file is skipped.
#ifndef QUORATE_LINCHECK_FORMATS_WINDOW_H_
#define QUORATE_LINCHECK_FORMATS_WINDOW_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "lincheck/formats/source.h"

namespace quorate::lincheck {

// Both from 1; a column counts bytes.
struct Position {
  uint64_t line = 1;
  uint64_t column = 1;
};

// kInvalidArgument: "line:column: reason". A reason may repeat what the file
// says, whatever that is: control characters are escaped, its middle is left
// out if it is long.
absl::Status BadInput(Position position, std::string_view reason);

class Window {
 public:
  // A piece that is read at once (a line, a form) must be shorter.
  static constexpr size_t kBytesMax = size_t{1} << 30;

  // `source` must outlive the window.
  explicit Window(ByteSource* source) : source_(source) {}

  // The bytes that are not consumed. Valid until Grow or Consume.
  std::string_view rest() const {
    return {bytes_.data() + begin_, end_ - begin_};
  }
  // Nothing follows rest().
  bool complete() const { return complete_; }
  // Makes rest() longer, or complete. Requires: !complete().
  absl::Status Grow();
  // Requires: count <= rest().size().
  void Consume(size_t count);
  // Of rest()[offset]. Requires: offset <= rest().size().
  Position PositionAt(size_t offset) const;
  Position position() const { return position_; }

 private:
  static constexpr size_t kPieceBytes = size_t{1} << 20;

  ByteSource* const source_;
  std::vector<char> bytes_;
  size_t begin_ = 0;
  size_t end_ = 0;
  bool complete_ = false;
  bool begun_ = false;  // Past where a byte order mark may stand.
  Position position_;   // Of rest()[0].
};

// One line, without what ends it ("\n" or "\r\n").
struct Line {
  std::string_view text;  // In the window: valid until the next call.
  uint64_t number = 0;
  bool terminated = false;  // Only the file's last line may not be.
};

class LineReader {
 public:
  explicit LineReader(Window* window) : window_(window) {}
  // The next line; false at the end of the file.
  absl::StatusOr<bool> Next(Line* line);
  // That of a byte of the line that Next gave last.
  Position PositionOf(const Line& line, size_t offset) const {
    return {line.number, offset + 1};
  }

 private:
  Window* const window_;
  size_t consume_ = 0;  // The last line with what ends it.
};

}  // namespace quorate::lincheck

#endif  // QUORATE_LINCHECK_FORMATS_WINDOW_H_
