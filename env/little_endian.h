// env/little_endian.h: fixed-width integers in byte strings, little-endian, for
// stored formats and messages. Knows no format.
//
// Only little-endian machines are built for, so the encoded form is the form in
// memory.
#ifndef QUORATE_ENV_LITTLE_ENDIAN_H_
#define QUORATE_ENV_LITTLE_ENDIAN_H_

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>

#include "env/check.h"

namespace quorate {

static_assert(std::endian::native == std::endian::little,
              "the encoded form is the form in memory");

template <typename T>
void AppendFixed(std::string* out, T value) {
  static_assert(std::is_integral_v<T>);
  out->append(reinterpret_cast<const char*>(&value), sizeof(value));
}

// Writes sizeof(T) bytes at `at`.
template <typename T>
void StoreFixed(char* at, T value) {
  static_assert(std::is_integral_v<T>);
  std::memcpy(at, &value, sizeof(value));
}

// Reads sizeof(T) bytes at `at`.
template <typename T>
T LoadFixed(const char* at) {
  static_assert(std::is_integral_v<T>);
  T value;
  std::memcpy(&value, at, sizeof(value));
  return value;
}

// Reads sizeof(T) bytes at `offset`. Requires: `bytes` holds them.
template <typename T>
T LoadFixed(std::string_view bytes, size_t offset) {
  CHECK(offset <= bytes.size() && bytes.size() - offset >= sizeof(T));
  return LoadFixed<T>(bytes.data() + offset);
}

// Takes values from the front of bytes. Once a value does not fit, ok() is
// false, and every further value is zero or empty.
class FixedReader {
 public:
  explicit FixedReader(std::string_view bytes) : rest_(bytes) {}

  template <typename T>
  T Take() {
    if (rest_.size() < sizeof(T)) {
      Fail();
      return T{};
    }
    const T value = LoadFixed<T>(rest_.data());
    rest_.remove_prefix(sizeof(T));
    return value;
  }
  std::string_view TakeBytes(size_t size) {
    if (rest_.size() < size) {
      Fail();
      return {};
    }
    const std::string_view bytes = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return bytes;
  }
  void Fail() {
    ok_ = false;
    rest_ = {};
  }
  bool ok() const { return ok_; }
  std::string_view rest() const { return rest_; }

 private:
  std::string_view rest_;
  bool ok_ = true;
};

}  // namespace quorate

#endif  // QUORATE_ENV_LITTLE_ENDIAN_H_
