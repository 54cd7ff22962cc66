// env/buffer.h: immutable, reference-counted slices of bytes. Sockets, log,
// peers and state machines share them without copies.
//
// The count is not atomic: only the thread of the owning loop copies or
// destroys a Buffer. While an I/O is in flight, the environment holds a
// reference on that thread, and other threads use plain pointers.
#ifndef QUORATE_ENV_BUFFER_H_
#define QUORATE_ENV_BUFFER_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace quorate {

class Buffer {
 public:
  // No bytes.
  Buffer() = default;
  // A new block with a copy of `bytes`.
  static Buffer Copy(std::string_view bytes);
  // Takes over the bytes of `text` without a copy. For long texts: a block
  // keeps the text's whole capacity.
  static Buffer Take(std::string text);
  // Refers to bytes that exist as long as the program, such as a constant.
  static Buffer Constant(std::string_view bytes) {
    Buffer buffer;
    buffer.data_ = bytes.data();
    buffer.size_ = bytes.size();
    return buffer;
  }
  // A new block of `size` bytes, which `fill(char* block)` writes before the
  // block is shared.
  template <typename Fill>
  static Buffer Create(size_t size, Fill&& fill) {
    Buffer buffer = Allocate(size);
    std::forward<Fill>(fill)(const_cast<char*>(buffer.data_));
    return buffer;
  }

  Buffer(const Buffer& other)
      : block_(other.block_), data_(other.data_), size_(other.size_) {
    if (block_ != nullptr) ++*block_;
  }
  Buffer(Buffer&& other) noexcept
      : block_(std::exchange(other.block_, nullptr)),
        data_(std::exchange(other.data_, nullptr)),
        size_(std::exchange(other.size_, 0)) {}
  Buffer& operator=(Buffer other) noexcept {
    std::swap(block_, other.block_);
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  constexpr ~Buffer() {
    if (block_ != nullptr && --*block_ == 0) Free(block_);
  }

  // Shares the block. Requires: offset + size <= this->size().
  Buffer Slice(size_t offset, size_t size) const;
  // All bytes from `offset` on.
  Buffer Suffix(size_t offset) const { return Slice(offset, size_ - offset); }

  std::string_view view() const { return {data_, size_}; }
  const char* data() const { return data_; }
  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  // Bytes of the block that this slice keeps alive; 0 for an empty Buffer and
  // for a constant. A holder of a small slice should copy it, so that it does
  // not pin a large block.
  size_t block_size() const {
    return block_ == nullptr ? 0 : block_[1] & ~kHoldsText;
  }
  friend bool operator==(const Buffer& a, const Buffer& b) {
    return a.view() == b.view();
  }

 private:
  static Buffer Allocate(size_t size);
  static void Free(uint64_t* block);

  // In the second word of a block: the bytes are those of a std::string that
  // follows the two words.
  static constexpr uint64_t kHoldsText = uint64_t{1} << 63;

  // Count and size, before the bytes in the same allocation. Null for an empty
  // Buffer and for a constant.
  uint64_t* block_ = nullptr;
  const char* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace quorate

#endif  // QUORATE_ENV_BUFFER_H_
