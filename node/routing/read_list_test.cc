#include "node/routing/read_list.h"

#include <string>
#include <string_view>
#include <vector>

#include "absl/types/span.h"
#include "env/kept_memory.h"
#include "gtest/gtest.h"

namespace quorate::node {
namespace {

void Append(std::string_view argument, ReadList* list) {
  kv::CommandSpec spec;
  spec.op = kv::Op::kGet;
  spec.arguments = absl::MakeSpan(&argument, 1);
  list->Append({}, MonoTime(), spec);
}

TEST(ReadList_Clear, KeepsLittleMemory) {
  ReadList list;
  for (int i = 0; i < 10'000; ++i) Append(std::string(100, 'k'), &list);
  EXPECT_GE(list.bytes(), 1'000'000u);
  EXPECT_GE(list.capacity_bytes(), list.bytes());
  list.Clear();
  EXPECT_TRUE(list.items().empty());
  EXPECT_EQ(list.bytes(), 0u);
  EXPECT_LE(list.capacity_bytes(), 2 * kKeptBytesMax);
}

TEST(ReadList_Clear, KeepsTheMemoryOfAFewReads) {
  ReadList list;
  for (int i = 0; i < 100; ++i) Append("key", &list);
  const size_t capacity = list.capacity_bytes();
  list.Clear();
  EXPECT_EQ(list.capacity_bytes(), capacity);
  Append("again", &list);
  std::vector<std::string_view> arguments;
  EXPECT_EQ(list.CommandOf(list.items()[0], &arguments).arguments[0], "again");
}

}  // namespace
}  // namespace quorate::node
