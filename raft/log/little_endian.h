// raft/log/little_endian.h: fixed-width integers as they stand in files and peer messages.
//
// Only little-endian machines are built for, so that the stored form is the form in memory. Knows no format.
#ifndef QUORATE_RAFT_LOG_LITTLE_ENDIAN_H_
#define QUORATE_RAFT_LOG_LITTLE_ENDIAN_H_

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "env/check.h"

namespace quorate::raft {

static_assert(std::endian::native == std::endian::little,
              "the stored form is the form in memory");

// Writes sizeof(T) bytes at `at`.
template <typename T>
void StoreFixed(char* at, T value) {
  std::memcpy(at, &value, sizeof(T));
}

template <typename T>
void PutFixed(std::string* out, T value) {
  char bytes[sizeof(T)];
  std::memcpy(bytes, &value, sizeof(T));
  out->append(bytes, sizeof(T));
}

// Requires: offset + sizeof(T) <= bytes.size().
template <typename T>
T GetFixed(std::string_view bytes, size_t offset) {
  CHECK(offset <= bytes.size() && bytes.size() - offset >= sizeof(T));
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof(T));
  return value;
}

// Takes integers off the front of a string; once it ran out, ok() is false and every value is zero.
class FixedReader {
 public:
  explicit FixedReader(std::string_view bytes) : bytes_(bytes) {}
  template <typename T>
  T Take() {
    if (!ok_ || bytes_.size() < sizeof(T)) {
      ok_ = false;
      return T{};
    }
    T value;
    std::memcpy(&value, bytes_.data(), sizeof(T));
    bytes_.remove_prefix(sizeof(T));
    return value;
  }
  bool ok() const { return ok_; }
  std::string_view rest() const { return bytes_; }

 private:
  std::string_view bytes_;
  bool ok_ = true;
};

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_LOG_LITTLE_ENDIAN_H_
