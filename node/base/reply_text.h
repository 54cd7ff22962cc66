// node/base/reply_text.h: replies on their way to a stream: text that was put
// together here, and large values that are shared with the store.
//
// A value of a megabyte costs no copy, and no memory as long as the store keeps
// it. Sizes count the shared bytes as if they were copied.
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
  // Shorter values are copied: a piece costs more than their bytes.
  static constexpr size_t kSharedFromBytes = 16 << 10;

  // The text so far, without shared values. Only appended to.
  std::string& text() { return text_; }
  // Appends `bytes`. They are shared: nothing of them is copied.
  void Share(Buffer bytes) {
    shared_bytes_ += bytes.size();
    shared_.push_back({text_.size(), std::move(bytes)});
  }

  size_t size() const { return text_.size() + shared_bytes_; }
  bool empty() const { return text_.empty() && shared_.empty(); }

  // Calls `write(Buffer)` with one piece after the other, and is empty.
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
  // Gives the memory back.
  void Drop() { *this = ReplyText(); }

 private:
  // A longer text leaves as it is; a shorter one is copied, and its memory used
  // again.
  static constexpr size_t kTakenFromBytes = 1 << 20;
  struct Shared {
    size_t offset;  // In the text.
    Buffer bytes;
  };
  std::string text_;
  std::vector<Shared> shared_;
  size_t shared_bytes_ = 0;
};

}  // namespace quorate::node

#endif  // QUORATE_NODE_BASE_REPLY_TEXT_H_
