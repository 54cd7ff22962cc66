// node/base/reply_text.h: replies on their way to a stream: text that the node
// wrote, and large values that are shared with the store.
//
// A value of a megabyte needs no copy, and no memory of its own while the store
// keeps it. Sizes count shared bytes like copied ones.
#ifndef QUORATE_NODE_BASE_REPLY_TEXT_H_
#define QUORATE_NODE_BASE_REPLY_TEXT_H_

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "env/buffer.h"

namespace quorate::node {

class ReplyText {
 public:
  // Shorter values are copied, because a piece costs more than its bytes.
  static constexpr size_t kSharedFromBytes = 16 << 10;

  // The text so far, without shared values. Callers may only append to it.
  std::string& text() { return text_; }
  // Appends `bytes` without a copy.
  void Share(Buffer bytes) {
    shared_bytes_ += bytes.size();
    shared_.push_back({text_.size(), std::move(bytes)});
  }

  size_t size() const { return text_.size() + shared_bytes_; }
  bool empty() const { return text_.empty() && shared_.empty(); }

  // Calls `write(Buffer)` with each piece in order. Afterwards the text is
  // empty.
  template <typename Write>
  void MoveTo(Write&& write) {
    size_t begin = 0;
    for (Shared& piece : shared_) {
      const std::string_view before(text_);
      if (piece.offset > begin) {
        write(Buffer::Copy(before.substr(begin, piece.offset - begin)));
      }
      begin = piece.offset;
      write(std::move(piece.bytes));
    }
    if (begin == 0 && text_.size() > kTakenFromBytes) {
      write(Buffer::Take(std::exchange(text_, {})));
    } else if (begin < text_.size()) {
      write(Buffer::Copy(std::string_view(text_).substr(begin)));
    }
    text_.clear();
    shared_.clear();
    shared_bytes_ = 0;
  }
  // Frees the memory.
  void Drop() { *this = ReplyText(); }

 private:
  // A longer text is moved out; a shorter one is copied, and its memory is used
  // again.
  static constexpr size_t kTakenFromBytes = 1 << 20;
  struct Shared {
    size_t offset;  // Offset in the text.
    Buffer bytes;
  };
  std::string text_;
  std::vector<Shared> shared_;
  size_t shared_bytes_ = 0;
};

}  // namespace quorate::node

#endif  // QUORATE_NODE_BASE_REPLY_TEXT_H_
