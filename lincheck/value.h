// lincheck/value.h: arguments and results of operations: nothing, nil, an
// integer or a string. A Value is eight bytes; strings live in a ValueArena,
// which must outlive it.
#ifndef QUORATE_LINCHECK_VALUE_H_
#define QUORATE_LINCHECK_VALUE_H_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace quorate::lincheck {

class Value {
 public:
  // Integers outside this range are stored as strings of their digits
  // (History::Integer).
  static constexpr int64_t kIntegerMax = (int64_t{1} << 61) - 1;
  static constexpr int64_t kIntegerMin = -kIntegerMax;

  // Nothing was said: an argument that a function does not have, a result that
  // was not reported.
  constexpr Value() = default;
  // The value of what is not there.
  static constexpr Value Nil() { return Value(kNil); }
  static constexpr bool Holds(int64_t n) {
    return kIntegerMin <= n && n <= kIntegerMax;
  }
  // Requires: Holds(n). Any other integer ends the
  // process with a message, because it would equal some integer within.
  static constexpr Value Integer(int64_t n) {
    if (!Holds(n)) RefuseInteger(n);
    return Value((static_cast<uint64_t>(n) << 2) | kIntegerTag);
  }

  constexpr bool is_none() const { return raw_ == 0; }
  constexpr bool is_nil() const { return raw_ == kNil; }
  constexpr bool is_integer() const { return (raw_ & 3) == kIntegerTag; }
  constexpr bool is_string() const { return raw_ != 0 && (raw_ & 3) == 0; }
  constexpr int64_t integer() const { return static_cast<int64_t>(raw_) >> 2; }
  // Requires: is_string().
  std::string_view bytes() const {
    const char* record = reinterpret_cast<const char*>(raw_);
    uint32_t size;
    std::memcpy(&size, record, sizeof(size));
    return {record + sizeof(size), size};
  }
  // Content decides: an integer never equals a string.
  friend bool operator==(Value a, Value b) {
    if (a.raw_ == b.raw_) return true;
    return a.is_string() && b.is_string() && a.bytes() == b.bytes();
  }
  // Compares with any integer: no Value has to be made of it.
  friend constexpr bool operator==(Value a, int64_t n) {
    return a.is_integer() && a.integer() == n;
  }
  // For people: none, nil, 7, "x".
  std::string ToString() const;

 private:
  friend class ValueArena;
  static constexpr uint64_t kNil = 2;
  static constexpr uint64_t kIntegerTag = 1;
  explicit constexpr Value(uint64_t raw) : raw_(raw) {}
  [[noreturn]] static void RefuseInteger(int64_t n);

  uint64_t raw_ = 0;  // 0: none; …10: nil; …01: integer; …00: address of a
                      // record (size, bytes).
};

// Equal values hash alike. For tables that are only looked up in.
struct ValueHash {
  size_t operator()(Value v) const;
};

// Owns the strings of values. Movable; values stay valid.
class ValueArena {
 public:
  // Requires: bytes.size() < 2^32.
  Value String(std::string_view bytes);
  // The same value, kept here.
  Value Copy(Value value);
  size_t size_bytes() const { return size_bytes_; }

 private:
  static constexpr size_t kChunkBytesMin = 256;
  static constexpr size_t kChunkBytesMax = 64 << 10;

  std::vector<std::unique_ptr<char[]>> chunks_;
  char* next_ = nullptr;
  size_t left_ = 0;
  size_t size_bytes_ = 0;
};

}  // namespace quorate::lincheck

#endif  // QUORATE_LINCHECK_VALUE_H_
