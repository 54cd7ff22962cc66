// kv/store/record.h: one key with its value, version and expiry, in one
// allocation.
//
// Records are shared between the table and snapshots by count (not atomic: one
// loop). A record that is shared never changes.
#ifndef QUORATE_KV_STORE_RECORD_H_
#define QUORATE_KV_STORE_RECORD_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "env/buffer.h"
#include "kv/command/version.h"

namespace quorate::kv {

// Counted for each key in every budget, in addition to its bytes.
inline constexpr size_t kRecordOverheadBytes = 64;

// A new value: two pieces that are copied one after the other, or a slice that
// is shared.
struct ValueSource {
  std::string_view head = {};
  std::string_view tail = {};
  const Buffer* shared = nullptr;  // If set, the pieces are empty.
  size_t size() const {
    return shared != nullptr ? shared->size() : head.size() + tail.size();
  }
};

// Lives on the heap; only Make creates it and only Unref frees it. The key and
// the value (or the Buffer that holds the value) follow the header.
class Record {
 public:
  // Returns a record with one reference.
  static Record* Make(std::string_view key, const ValueSource& value,
                      const Version& version, int64_t expire_at_ms);

  void Ref() { ++references_; }
  void Unref() {
    if (--references_ == 0) Free();
  }
  bool shared() const { return references_ > 1; }

  std::string_view key() const {
    return {bytes() + (holds_buffer_ ? sizeof(Buffer) : 0), key_size_};
  }
  std::string_view value() const {
    if (holds_buffer_) return buffer()->view();
    return {bytes() + key_size_, value_size_};
  }
  // The Buffer of a large value; null for a value that was copied.
  const Buffer* buffer() const {
    return holds_buffer_ ? reinterpret_cast<const Buffer*>(bytes()) : nullptr;
  }
  Version version() const {
    return {GroupId(group_), raft::Index(index_), position_};
  }
  int64_t expire_at_ms() const { return expire_at_ms_; }  // 0: never.
  size_t size_bytes() const {
    return kRecordOverheadBytes + key_size_ + value_size_;
  }

  // True if the value fits into the record in place. The setters below require
  // !shared().
  bool Fits(const ValueSource& value) const {
    return !holds_buffer_ && value.shared == nullptr &&
           value.size() == value_size_;
  }
  void SetValue(const ValueSource& value);
  void SetVersion(const Version& version) {
    group_ = version.group.value();
    index_ = version.index.value();
    position_ = version.position;
  }
  void SetExpiry(int64_t expire_at_ms) { expire_at_ms_ = expire_at_ms; }

 private:
  Record() = default;
  void Free();
  const char* bytes() const {
    return reinterpret_cast<const char*>(this) + sizeof(Record);
  }
  char* bytes() { return reinterpret_cast<char*>(this) + sizeof(Record); }

  uint64_t index_;
  int64_t expire_at_ms_;
  uint32_t references_;
  uint32_t group_;
  uint32_t position_;
  uint32_t value_size_;
  uint32_t key_size_;
  bool holds_buffer_;
};

static_assert(sizeof(Record) % alignof(Buffer) == 0);

}  // namespace quorate::kv

#endif  // QUORATE_KV_STORE_RECORD_H_
