// kv/testing/golden.h: compares bytes of a format with a golden file, which has
// them as hexadecimal text.
//
// After an intended change of a format, raise its version and add a golden file
// for the new version: --test_env=QUORATE_GOLDEN_PRINT=1 prints its contents.
#ifndef QUORATE_KV_TESTING_GOLDEN_H_
#define QUORATE_KV_TESTING_GOLDEN_H_

#include <cstdlib>
#include <fstream>
#include <iostream>
#include <sstream>
#include <string>
#include <string_view>

#include "gtest/gtest.h"

namespace quorate::kv::testing {

// 32 bytes a line.
inline std::string ToHex(std::string_view bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (size_t i = 0; i < bytes.size(); ++i) {
    const auto byte = static_cast<unsigned char>(bytes[i]);
    text.push_back(kDigits[byte >> 4]);
    text.push_back(kDigits[byte & 15]);
    if (i % 32 == 31) text.push_back('\n');
  }
  if (bytes.size() % 32 != 0) text.push_back('\n');
  return text;
}

// The bytes of a golden file.
inline std::string ReadGolden(const std::string& path) {
  std::ifstream file(path);
  EXPECT_TRUE(file.good()) << path;
  std::string bytes;
  const auto value = [](char digit) {
    return digit <= '9' ? digit - '0' : digit - 'a' + 10;
  };
  for (char high, low; file >> high >> low;) {
    bytes.push_back(static_cast<char>(value(high) << 4 | value(low)));
  }
  return bytes;
}

inline void ExpectGolden(const std::string& path, std::string_view bytes) {
  if (std::getenv("QUORATE_GOLDEN_PRINT") != nullptr) {
    std::cout << "golden " << path << "\n" << ToHex(bytes);
  }
  std::ifstream file(path);
  ASSERT_TRUE(file.good()) << path;
  std::stringstream golden;
  golden << file.rdbuf();
  EXPECT_EQ(ToHex(bytes), golden.str()) << path;
}

}  // namespace quorate::kv::testing

#endif  // QUORATE_KV_TESTING_GOLDEN_H_
