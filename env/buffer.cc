#include "env/buffer.h"

#include <cstring>
#include <memory>
#include <new>

#include "env/check.h"

namespace quorate {

Buffer Buffer::Allocate(size_t size) {
  Buffer buffer;
  if (size == 0) return buffer;
  buffer.block_ =
      static_cast<uint64_t*>(::operator new(2 * sizeof(uint64_t) + size));
  buffer.block_[0] = 1;
  buffer.block_[1] = size;
  buffer.data_ = reinterpret_cast<const char*>(buffer.block_ + 2);
  buffer.size_ = size;
  return buffer;
}

void Buffer::Free(uint64_t* block) {
  if ((block[1] & kHoldsText) != 0) {
    std::destroy_at(reinterpret_cast<std::string*>(block + 2));
  }
  ::operator delete(block);
}

Buffer Buffer::Take(std::string text) {
  Buffer buffer;
  if (text.empty()) return buffer;
  buffer.block_ = static_cast<uint64_t*>(
      ::operator new(2 * sizeof(uint64_t) + sizeof(std::string)));
  auto* const held = new (buffer.block_ + 2) std::string(std::move(text));
  buffer.block_[0] = 1;
  buffer.block_[1] = held->capacity() | kHoldsText;
  buffer.data_ = held->data();
  buffer.size_ = held->size();
  return buffer;
}

Buffer Buffer::Copy(std::string_view bytes) {
  return Create(bytes.size(), [bytes](char* block) {
    if (!bytes.empty()) std::memcpy(block, bytes.data(), bytes.size());
  });
}

Buffer Buffer::Slice(size_t offset, size_t size) const {
  CHECK_LE(offset, size_);
  CHECK_LE(size, size_ - offset);
  Buffer slice = *this;
  slice.data_ += offset;
  slice.size_ = size;
  return slice;
}

}  // namespace quorate
