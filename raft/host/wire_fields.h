// raft/host/wire_fields.h: fields in the encoding of Protocol Buffers, written
// and read one by one.
//
// Every message between replicas passes here. Objects that a compiler generates
// from envelope.proto cost several times as much, so only tests use them: they
// compare both encodings.
//
// Each type T has a function PutFields(const T&, Fields*). It calls one method
// of `Fields` for each field, in the order of their numbers. FieldCounter gives
// the size, FieldWriter the bytes.
#ifndef QUORATE_RAFT_HOST_WIRE_FIELDS_H_
#define QUORATE_RAFT_HOST_WIRE_FIELDS_H_

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "env/little_endian.h"

namespace quorate::raft {

enum class WireType : uint8_t {
  kVarint = 0,
  kFixed64 = 1,
  kBytes = 2,
  kFixed32 = 5,
};

constexpr uint32_t WireTag(uint32_t field, WireType type) {
  return field << 3 | static_cast<uint32_t>(type);
}
// The bytes of a varint: seven bits in each.
constexpr size_t VarintBytes(uint64_t value) {
  return (static_cast<size_t>(std::bit_width(value | 1)) + 6) / 7;
}

// Counts the bytes that FieldWriter writes.
class FieldCounter {
 public:
  // Zero is the default, which is not sent.
  void Number(uint32_t field, uint64_t value) {
    if (value == 0) return;
    bytes_ += VarintBytes(WireTag(field, WireType::kVarint));
    bytes_ += VarintBytes(value);
  }
  void Fixed64(uint32_t field, int64_t value) {
    if (value != 0) PresentFixed64(field, value);
  }
  // A field that is sent even if it is zero.
  void PresentFixed64(uint32_t field, int64_t) {
    bytes_ += VarintBytes(WireTag(field, WireType::kFixed64)) + 8;
  }
  void Fixed32(uint32_t field, uint32_t value) {
    if (value == 0) return;
    bytes_ += VarintBytes(WireTag(field, WireType::kFixed32)) + 4;
  }
  void Bytes(uint32_t field, std::string_view bytes) {
    if (!bytes.empty()) Sized(field, bytes.size());
  }
  template <typename T>
  void Message(uint32_t field, const T& message) {
    Sized(field, SizeOf(message));
  }

  template <typename T>
  static size_t SizeOf(const T& message) {
    FieldCounter counter;
    PutFields(message, &counter);
    return counter.bytes_;
  }

 private:
  void Sized(uint32_t field, size_t size) {
    bytes_ += VarintBytes(WireTag(field, WireType::kBytes));
    bytes_ += VarintBytes(size) + size;
  }

  size_t bytes_ = 0;
};

class FieldWriter {
 public:
  // Writes from `to` on. There is room for the bytes that FieldCounter counts.
  explicit FieldWriter(char* to) : to_(to) {}

  void Number(uint32_t field, uint64_t value) {
    if (value == 0) return;
    Varint(WireTag(field, WireType::kVarint));
    Varint(value);
  }
  void Fixed64(uint32_t field, int64_t value) {
    if (value != 0) PresentFixed64(field, value);
  }
  void PresentFixed64(uint32_t field, int64_t value) {
    Varint(WireTag(field, WireType::kFixed64));
    Put(static_cast<uint64_t>(value));
  }
  void Fixed32(uint32_t field, uint32_t value) {
    if (value == 0) return;
    Varint(WireTag(field, WireType::kFixed32));
    Put(value);
  }
  void Bytes(uint32_t field, std::string_view bytes) {
    if (bytes.empty()) return;
    Varint(WireTag(field, WireType::kBytes));
    Varint(bytes.size());
    std::memcpy(to_, bytes.data(), bytes.size());
    to_ += bytes.size();
  }
  template <typename T>
  void Message(uint32_t field, const T& message) {
    Varint(WireTag(field, WireType::kBytes));
    Varint(FieldCounter::SizeOf(message));
    PutFields(message, this);
  }
  const char* end() const { return to_; }

 private:
  void Varint(uint64_t value) {
    for (; value >= 0x80; value >>= 7) {
      *to_++ = static_cast<char>(value | 0x80);
    }
    *to_++ = static_cast<char>(value);
  }
  template <typename T>
  void Put(T value) {
    StoreFixed(to_, value);
    to_ += sizeof(T);
  }

  char* to_;
};

// Reads the fields of a message, in any order. Users skip fields that they do
// not know by ignoring them.
//
//   FieldReader reader(bytes);
//   while (reader.Next()) switch (reader.tag()) { … }
//   if (!reader.ok()) …
class FieldReader {
 public:
  explicit FieldReader(std::string_view bytes) : rest_(bytes) {}

  // False at the end and at bytes that are no field.
  bool Next() {
    if (rest_.empty()) return false;
    uint64_t tag = 0;
    ok_ = Varint(&tag) && tag <= UINT32_MAX && tag >> 3 != 0 && Contents(tag);
    tag_ = static_cast<uint32_t>(tag);
    return ok_;
  }
  bool ok() const { return ok_; }

  // The present field: WireTag(number, type).
  uint32_t tag() const { return tag_; }
  // The value of any field other than bytes.
  uint64_t number() const { return number_; }
  std::string_view bytes() const { return bytes_; }

 private:
  bool Contents(uint64_t tag) {
    switch (static_cast<WireType>(tag & 7)) {
      case WireType::kVarint:
        return Varint(&number_);
      case WireType::kFixed64:
        return Fixed<uint64_t>();
      case WireType::kFixed32:
        return Fixed<uint32_t>();
      case WireType::kBytes:
        if (!Varint(&number_) || number_ > rest_.size()) return false;
        bytes_ = rest_.substr(0, number_);
        rest_.remove_prefix(number_);
        return true;
    }
    return false;
  }
  bool Varint(uint64_t* value) {
    *value = 0;
    for (int shift = 0; shift < 64 && !rest_.empty(); shift += 7) {
      const auto byte = static_cast<unsigned char>(rest_.front());
      rest_.remove_prefix(1);
      *value |= uint64_t{byte & 0x7fu} << shift;
      if (byte < 0x80) return true;
    }
    return false;
  }
  template <typename T>
  bool Fixed() {
    if (rest_.size() < sizeof(T)) return false;
    number_ = LoadFixed<T>(rest_.data());
    rest_.remove_prefix(sizeof(T));
    return true;
  }

  std::string_view rest_;
  bool ok_ = true;
  uint32_t tag_ = 0;
  uint64_t number_ = 0;
  std::string_view bytes_;
};

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_HOST_WIRE_FIELDS_H_
