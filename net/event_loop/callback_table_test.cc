#include "net/event_loop/callback_table.h"

#include <functional>
#include <set>

#include "gtest/gtest.h"

namespace quorate::net {
namespace {

using Table = CallbackTable<std::function<void()>>;

TEST(CallbackTable, Take_OfAnAddedCallback_ReturnsItOnce) {
  Table table;
  int calls = 0;
  const uint64_t id = table.Add([&] { ++calls; });
  table.Take(id)();
  EXPECT_EQ(calls, 1);
  EXPECT_FALSE(table.Take(id));
  EXPECT_EQ(table.size(), 0u);
}

TEST(CallbackTable, Pending_Destroyed_CancelsItsCallback) {
  Table table;
  const uint64_t id = table.Add([] { FAIL(); });
  { env::Pending pending = table.Handle(id); }
  EXPECT_FALSE(table.Owes(id));
  EXPECT_FALSE(table.Take(id));
}

TEST(CallbackTable, Cancel_OfAnOldId_KeepsTheSlotsNewCallback) {
  Table table;
  const uint64_t old_id = table.Add([] {});
  table.Cancel(old_id);
  const uint64_t new_id = table.Add([] {});
  table.Cancel(old_id);
  EXPECT_TRUE(table.Owes(new_id));
}

TEST(CallbackTable, Add_ManyTimes_NeverRepeatsAnId) {
  Table table;
  std::set<uint64_t> ids;
  for (int i = 0; i < 1000; ++i) {
    const uint64_t id = table.Add([] {});
    EXPECT_NE(id, 0u);
    EXPECT_TRUE(ids.insert(id).second);
    if (i % 3 != 0) table.Cancel(id);
  }
}

TEST(CallbackTable, Cancel_WhoseCallbackOwnsAnother_CancelsBoth) {
  Table table;
  auto inner = std::make_shared<env::Pending>(table.Handle(table.Add([] {})));
  const uint64_t outer = table.Add([inner] {});
  inner.reset();
  table.Cancel(outer);
  EXPECT_EQ(table.size(), 0u);
}

}  // namespace
}  // namespace quorate::net
