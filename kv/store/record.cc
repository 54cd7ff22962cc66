#include "kv/store/record.h"

#include <cstring>
#include <new>

namespace quorate::kv {

Record* Record::Make(RecordPool* pool, std::string_view key,
                     const ValueSource& value, const Version& version,
                     int64_t expire_at_ms) {
  CHECK_LT(key.size(), kKeyBytesLimit);
  CHECK_LT(value.size(), kValueBytesLimit);
  Record layout = Record();
  layout.key_size_ = static_cast<uint32_t>(key.size());
  layout.references_ = 1;
  layout.type_ = static_cast<uint32_t>(ValueType::kString);
  layout.value_size_ = static_cast<uint32_t>(value.size());
  layout.has_expiry_ = expire_at_ms != 0;
  layout.holds_buffer_ = value.shared != nullptr;
  const size_t size_bytes = layout.AllocatedBytes();
  void* block = size_bytes <= RecordPool::kBlockBytesMax
                    ? pool->Allocate(size_bytes)
                    : ::operator new(size_bytes);
  Record* record = new (block) Record(layout);
  record->SetVersion(version);
  record->SetExpiry(expire_at_ms);
  record->SetValueHash(0);
  if (!key.empty()) {
    std::memcpy(record->bytes() + record->KeyOffset(), key.data(), key.size());
  }
  if (value.shared != nullptr) {
    new (record->bytes() + record->BufferOffset()) Buffer(*value.shared);
  } else {
    record->SetValue(value);
  }
  return record;
}

void Record::SetValue(const ValueSource& value) {
  CHECK(!holds_buffer_ && value.shared == nullptr);
  CHECK_EQ(value.size(), size_t{value_size_});
  SetValueHash(0);
  char* at = bytes() + KeyOffset() + key_size_;
  if (!value.head.empty()) {
    std::memcpy(at, value.head.data(), value.head.size());
  }
  if (!value.tail.empty()) {
    std::memcpy(at + value.head.size(), value.tail.data(), value.tail.size());
  }
}

void Record::SetVersion(const Version& version) {
  CHECK(CanStore(version)) << version;
  group_ = version.group.value();
  index_low_ = static_cast<uint32_t>(version.index.value());
  index_high_ = static_cast<uint16_t>(version.index.value() >> 32);
  position_ = static_cast<uint16_t>(version.position);
}

void Record::SetExpiry(int64_t expire_at_ms) {
  CHECK(FitsExpiry(expire_at_ms)) << expire_at_ms;
  if (has_expiry_) StoreFixed(bytes() + sizeof(Record), expire_at_ms);
}

void Record::Free() {
  const size_t size_bytes = AllocatedBytes();
  if (holds_buffer_) {
    reinterpret_cast<Buffer*>(bytes() + BufferOffset())->~Buffer();
  }
  this->~Record();
  if (size_bytes <= RecordPool::kBlockBytesMax) {
    RecordPool::Free(this);
  } else {
    ::operator delete(this);
  }
}

}  // namespace quorate::kv
