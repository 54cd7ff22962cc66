#include "kv/store/record.h"

#include <cstring>
#include <new>

#include "env/check.h"

namespace quorate::kv {

Record* Record::Make(std::string_view key, const ValueSource& value,
                     const Version& version, int64_t expire_at_ms) {
  CHECK_LE(key.size(), size_t{UINT32_MAX});
  CHECK_LE(value.size(), size_t{UINT32_MAX});
  const bool holds_buffer = value.shared != nullptr;
  const size_t value_bytes = holds_buffer ? sizeof(Buffer) : value.size();
  void* block = ::operator new(sizeof(Record) + key.size() + value_bytes);
  Record* record = new (block) Record();
  record->references_ = 1;
  record->key_size_ = static_cast<uint32_t>(key.size());
  record->value_size_ = static_cast<uint32_t>(value.size());
  record->holds_buffer_ = holds_buffer;
  record->expire_at_ms_ = expire_at_ms;
  record->SetVersion(version);
  char* at = record->bytes();
  if (holds_buffer) {
    new (at) Buffer(*value.shared);
    at += sizeof(Buffer);
  }
  if (!key.empty()) std::memcpy(at, key.data(), key.size());
  if (!holds_buffer) record->SetValue(value);
  return record;
}

void Record::SetValue(const ValueSource& value) {
  CHECK(Fits(value));
  char* at = bytes() + key_size_;
  if (!value.head.empty()) {
    std::memcpy(at, value.head.data(), value.head.size());
  }
  if (!value.tail.empty()) {
    std::memcpy(at + value.head.size(), value.tail.data(), value.tail.size());
  }
}

void Record::Free() {
  if (holds_buffer_) reinterpret_cast<Buffer*>(bytes())->~Buffer();
  this->~Record();
  ::operator delete(this);
}

}  // namespace quorate::kv
