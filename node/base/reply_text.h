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
#include "env/kept_memory.h"

namespace quorate::node {

class ReplyText {
 public:
  // Shorter values are copied, because a piece costs more than its bytes.
  static constexpr size_t kSharedFromBytes = 16 << 10;

  // The text so far, without shared values. Callers may only append to it.
  std::string& text() { return text_; }
  // Appends a reply, without a copy where possible.
  void Append(std::string reply) {
    if (text_.empty() && reply.size() > text_.capacity()) {
      text_ = std::move(reply);
    } else {
      text_ += reply;
    }
  }
  // The same with shared values.
  void Append(ReplyText reply) {
    if (empty() && text_.capacity() <= reply.text_.capacity()) {
      *this = std::move(reply);
      return;
    }
    for (Shared& shared : reply.shared_) {
      shared_.push_back(
          {text_.size() + shared.offset, std::move(shared.bytes)});
    }
    text_ += reply.text_;
    shared_bytes_ += reply.shared_bytes_;
  }
  // Appends `bytes` without a copy.
  void Share(Buffer bytes) {
    shared_bytes_ += bytes.size();
    shared_.push_back({text_.size(), std::move(bytes)});
  }

  size_t size() const { return text_.size() + shared_bytes_; }
  bool empty() const { return text_.empty() && shared_.empty(); }

  // Memory of the object beside the shared values: contents and spare room.
  size_t own_bytes() const {
    return (text_.capacity() > std::string().capacity() ? text_.capacity()
                                                        : 0) +
           shared_.capacity() * sizeof(Shared);
  }

  // Calls `write(Buffer)` with each piece in order. Afterwards the text is
  // empty, and own_bytes() is at most 2 * kKeptBytes.
  template <typename Write>
  void MoveTo(Write&& write) {
    // Pieces of a long text share one block.
    const Buffer taken =
        text_.size() >= kTakenFromBytes ? TakeText() : Buffer();
    const auto piece = [&](size_t begin, size_t end) {
      return taken.empty() ? Buffer::Copy(std::string_view(text_).substr(
                                 begin, end - begin))
                           : taken.Slice(begin, end - begin);
    };
    const size_t size = taken.empty() ? text_.size() : taken.size();
    size_t begin = 0;
    for (Shared& shared : shared_) {
      if (shared.offset > begin) write(piece(begin, shared.offset));
      begin = shared.offset;
      write(std::move(shared.bytes));
    }
    if (begin < size) write(piece(begin, size));
    // Most connections are idle: a large reply must not leave memory behind.
    ClearAndTrim(&text_, kKeptBytes);
    ClearAndTrim(&shared_, kKeptBytes);
    shared_bytes_ = 0;
  }
  // Frees the memory.
  void Drop() {
    std::string().swap(text_);
    std::vector<Shared>().swap(shared_);
    shared_bytes_ = 0;
  }

 private:
  // A text from this size on leaves without a copy. A shorter one is copied,
  // and its memory is used again.
  static constexpr size_t kTakenFromBytes = 64 << 10;
  // Larger memory is not kept for the next reply.
  static constexpr size_t kKeptBytes = 16 << 10;
  struct Shared {
    size_t offset;  // Offset in the text.
    Buffer bytes;
  };

  // The text as one block, which has little spare room: it may wait for a slow
  // reader.
  Buffer TakeText();

  std::string text_;
  std::vector<Shared> shared_;
  size_t shared_bytes_ = 0;
};

}  // namespace quorate::node

#endif  // QUORATE_NODE_BASE_REPLY_TEXT_H_
