// shardctrl/controller/codec.h: writes and reads structs of the controller as
// bytes, field by field.
//
// A struct lists its fields once, for both directions:
//
//   template <typename Codec, typename Self>
//   static void Fields(Codec& codec, Self& self) {
//     codec(self.id, self.name);
//   }
//
// Integers are little-endian. Texts and lists follow their count, and an
// optional value its presence. The form has no version of its own: the first
// byte of each message has it.
#ifndef QUORATE_SHARDCTRL_CONTROLLER_CODEC_H_
#define QUORATE_SHARDCTRL_CONTROLLER_CODEC_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "env/little_endian.h"
#include "env/strong_types.h"
#include "env/time.h"
#include "raft/core/configuration.h"
#include "raft/core/types.h"
#include "shardctrl/partition.h"

namespace quorate::shardctrl {

class FieldWriter {
 public:
  template <typename... T>
  void operator()(const T&... values) {
    (Put(values), ...);
  }
  std::string Take() { return std::move(out_); }

 private:
  template <typename T>
  void Put(const T& value) {
    if constexpr (std::is_enum_v<T>) {
      Put(static_cast<std::underlying_type_t<T>>(value));
    } else if constexpr (std::is_same_v<T, bool>) {
      AppendFixed<uint8_t>(&out_, value ? 1 : 0);
    } else if constexpr (std::is_integral_v<T>) {
      AppendFixed<T>(&out_, value);
    } else if constexpr (
        requires { value.value(); } && !requires { value.has_value(); }) {
      Put(value.value());
    } else if constexpr (requires { value.ns(); }) {
      Put(value.ns());
    } else {
      T::Fields(*this, value);
    }
  }
  void Put(const std::string& text) {
    Put(static_cast<uint32_t>(text.size()));
    out_ += text;
  }
  void Put(const SlotRange& range) {
    Put(range.first);
    Put(range.last);
  }
  void Put(const raft::Configuration& configuration) {
    Put(std::string(raft::EncodeConfiguration(configuration).view()));
  }
  template <typename T>
  void Put(const std::vector<T>& list) {
    Put(static_cast<uint32_t>(list.size()));
    for (const T& element : list) Put(element);
  }
  template <typename T>
  void Put(const std::optional<T>& value) {
    Put(value.has_value());
    if (value.has_value()) Put(*value);
  }

  std::string out_;
};

// Reads what FieldWriter wrote. Other bytes end in !Complete(), or in values
// that the caller checks: numbers and enumerations may have any value. Memory
// stays within a multiple of the size of the bytes.
class FieldReader {
 public:
  explicit FieldReader(std::string_view bytes) : reader_(bytes) {}

  template <typename... T>
  void operator()(T&... values) {
    (Get(values), ...);
  }
  void Fail() { reader_.Fail(); }
  // Every byte was read, and each value had a form that the writer writes.
  bool Complete() const { return reader_.ok() && reader_.rest().empty(); }

 private:
  template <typename T>
  void Get(T& value) {
    if constexpr (std::is_enum_v<T>) {
      value = static_cast<T>(reader_.Take<std::underlying_type_t<T>>());
    } else if constexpr (std::is_same_v<T, bool>) {
      const auto byte = reader_.Take<uint8_t>();
      if (byte > 1) reader_.Fail();
      value = byte == 1;
    } else if constexpr (std::is_integral_v<T>) {
      value = reader_.Take<T>();
    } else if constexpr (
        requires { value.value(); } && !requires { value.has_value(); }) {
      value = T(reader_.Take<std::decay_t<decltype(value.value())>>());
    } else if constexpr (requires { value.ns(); }) {
      value = T(reader_.Take<int64_t>());
    } else {
      T::Fields(*this, value);
    }
  }
  void Get(std::string& text) {
    text = std::string(reader_.TakeBytes(reader_.Take<uint32_t>()));
  }
  void Get(SlotRange& range) {
    Get(range.first);
    Get(range.last);
    if (range.last < range.first) Fail();
  }
  void Get(raft::Configuration& configuration) {
    std::string bytes;
    Get(bytes);
    auto read = raft::DecodeConfiguration(bytes);
    if (read.ok() && raft::EncodeConfiguration(*read).view() == bytes) {
      configuration = *std::move(read);
    } else {
      reader_.Fail();
    }
  }
  template <typename T>
  void Get(std::vector<T>& list) {
    list.clear();
    const auto count = reader_.Take<uint32_t>();
    for (uint32_t i = 0; i < count && reader_.ok(); ++i) {
      Get(list.emplace_back());
    }
  }
  template <typename T>
  void Get(std::optional<T>& value) {
    // A list of at most one, in which gcc 12 sees no uninitialized bytes.
    bool present = false;
    Get(present);
    std::vector<T> read(present ? 1 : 0);
    for (T& one : read) Get(one);
    value = present ? std::optional<T>(std::move(read[0])) : std::nullopt;
  }

  FixedReader reader_;
};

template <typename T>
std::string EncodeFields(const T& value) {
  FieldWriter writer;
  writer(value);
  return writer.Take();
}

}  // namespace quorate::shardctrl

#endif  // QUORATE_SHARDCTRL_CONTROLLER_CODEC_H_
