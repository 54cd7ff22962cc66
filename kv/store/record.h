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
#include "env/check.h"
#include "env/little_endian.h"
#include "kv/command/version.h"
#include "kv/store/record_pool.h"

namespace quorate::kv {

// Counted for each key in every budget, in addition to its bytes. An upper
// bound of a key's memory without an expiry (docs/reference/memory.md).
inline constexpr size_t kRecordOverheadBytes = 56;

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

// Stored in snapshots: never renumber.
enum class ValueType : uint8_t {
  kString = 0,
};

// Lives on the heap; only Make creates it and only Unref frees it. The header
// of 20 bytes is followed by
//   int64 expire_at_ms   if the record has room for an expiry, not aligned;
//   Buffer               if it refers to a shared value, aligned to 8 bytes;
//   uint64 value_hash    if the value is long, not aligned;
//   the key, and the value if there is no Buffer.
class Record {
 public:
  static constexpr size_t kKeyBytesLimit = size_t{1} << 17;
  static constexpr size_t kValueBytesLimit = size_t{1} << 30;
  static constexpr uint32_t kReferencesMax = (1 << 12) - 1;
  // The record of a value of this size or more has room for the value's hash.
  // Changes of other fields, and the removal of the key, then do not read the
  // value.
  static constexpr size_t kHashedValueBytesMin = 1 << 10;

  // True if a record can store this version: index below 2^48, position below
  // 2^16. All versions of entries that fit into the log can be stored.
  static bool CanStore(const Version& version) {
    return version.index.value() >> 48 == 0 && version.position >> 16 == 0;
  }

  // Returns a record with one reference. Requires: key and value are shorter
  // than the limits above, and CanStore(version).
  static Record* Make(RecordPool* pool, std::string_view key,
                      const ValueSource& value, const Version& version,
                      int64_t expire_at_ms);

  void Ref() {
    CHECK_LT(references_, kReferencesMax);
    ++references_;
  }
  void Unref() {
    if (--references_ == 0) Free();
  }
  bool shared() const { return references_ > 1; }

  std::string_view key() const { return {bytes() + KeyOffset(), key_size_}; }
  std::string_view value() const {
    if (holds_buffer_) return buffer()->view();
    return {bytes() + KeyOffset() + key_size_, value_size_};
  }
  // The Buffer of a large value; null for a value that was copied.
  const Buffer* buffer() const {
    return holds_buffer_
               ? reinterpret_cast<const Buffer*>(bytes() + BufferOffset())
               : nullptr;
  }
  ValueType type() const { return static_cast<ValueType>(type_); }
  Version version() const {
    return {GroupId(group_),
            raft::Index(uint64_t{index_high_} << 32 | index_low_), position_};
  }
  // 0: never.
  int64_t expire_at_ms() const {
    return has_expiry_ ? LoadFixed<int64_t>(bytes() + sizeof(Record)) : 0;
  }
  size_t size_bytes() const {
    return kRecordOverheadBytes + key_size_ + value_size_;
  }
  // A hash of the value that SetValueHash stored; 0: none is stored.
  uint64_t value_hash() const {
    return has_value_hash() ? LoadFixed<uint64_t>(bytes() + ValueHashOffset())
                            : 0;
  }

  // True if value and expiry fit into the record in place. The setters below
  // require !shared().
  bool Fits(const ValueSource& value, int64_t expire_at_ms) const {
    return !holds_buffer_ && value.shared == nullptr &&
           value.size() == value_size_ && FitsExpiry(expire_at_ms);
  }
  bool FitsExpiry(int64_t expire_at_ms) const {
    return has_expiry_ || expire_at_ms == 0;
  }
  // Forgets the hash of the value.
  void SetValue(const ValueSource& value);
  // Does nothing if the value is short. Requires: the hash is the same on every
  // call for this value.
  void SetValueHash(uint64_t hash) {
    if (has_value_hash()) StoreFixed(bytes() + ValueHashOffset(), hash);
  }
  void SetVersion(const Version& version);
  // Requires: FitsExpiry(expire_at_ms).
  void SetExpiry(int64_t expire_at_ms);

 private:
  Record() = default;
  void Free();
  size_t BufferOffset() const { return has_expiry_ ? 32 : 24; }
  bool has_value_hash() const { return value_size_ >= kHashedValueBytesMin; }
  size_t ValueHashOffset() const {
    if (holds_buffer_) return BufferOffset() + sizeof(Buffer);
    return sizeof(Record) + (has_expiry_ ? sizeof(int64_t) : 0);
  }
  size_t KeyOffset() const {
    return ValueHashOffset() + (has_value_hash() ? sizeof(uint64_t) : 0);
  }
  size_t AllocatedBytes() const {
    return KeyOffset() + key_size_ + (holds_buffer_ ? 0 : value_size_);
  }
  const char* bytes() const { return reinterpret_cast<const char*>(this); }
  char* bytes() { return reinterpret_cast<char*>(this); }

  uint32_t index_low_;
  uint16_t index_high_;
  uint16_t position_;
  uint32_t group_;
  uint32_t key_size_ : 17;
  uint32_t references_ : 12;
  uint32_t type_ : 3;
  uint32_t value_size_ : 30;
  // There is room for an expiry, which may be 0.
  uint32_t has_expiry_ : 1;
  uint32_t holds_buffer_ : 1;
};

static_assert(sizeof(Record) == 20);

}  // namespace quorate::kv

#endif  // QUORATE_KV_STORE_RECORD_H_
