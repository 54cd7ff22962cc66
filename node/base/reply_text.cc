#include "node/base/reply_text.h"

namespace quorate::node {

Buffer ReplyText::TakeText() {
  const size_t spare = text_.capacity() - text_.size();
  if (spare > text_.size() / 4) return Buffer::Copy(text_);
  std::string taken;
  taken.swap(text_);
  return Buffer::Take(std::move(taken));
}

}  // namespace quorate::node
