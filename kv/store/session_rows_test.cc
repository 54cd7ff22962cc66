#include "kv/store/session_rows.h"

#include <cstdint>
#include <map>
#include <memory>

#include "gtest/gtest.h"
#include "rapidcheck/gtest.h"

namespace quorate::kv {
namespace {

using Model = std::map<uint64_t, int64_t>;

void Set(SessionRows* rows, uint64_t client, int64_t expire_at_ms) {
  rows->At(ClientId(client)) = std::make_shared<SessionRow>(SessionRow{
      .token = {.client = ClientId(client)}, .expire_at_ms = expire_at_ms});
}

Model Contents(const SessionRows& rows) {
  Model contents;
  uint64_t previous = 0;
  for (SessionRows::Cursor cursor(rows); !cursor.done(); cursor.Next()) {
    const uint64_t client = cursor.value()->token.client.value();
    EXPECT_TRUE(contents.empty() || client > previous);
    previous = client;
    contents[client] = cursor.value()->expire_at_ms;
  }
  return contents;
}

RC_GTEST_PROP(SessionRows_RandomChanges, ModelAgrees, ()) {
  const auto page_rows = *rc::gen::element<size_t>(2, 4, kPageRowsMax);
  SessionRows rows(page_rows);
  Model model;
  // A copy, and what it has to contain.
  SessionRows copy;
  Model copied;
  const auto clients = *rc::gen::inRange<uint64_t>(1, 2'000);
  const auto steps = *rc::gen::inRange<uint64_t>(0, 4'000);
  uint64_t bits = *rc::gen::arbitrary<uint64_t>() | 1;
  const auto draw = [&bits](uint64_t below) {
    bits = bits * 6364136223846793005u + 1442695040888963407u;
    return (bits >> 33) % below;
  };
  for (uint64_t step = 0; step < steps; ++step) {
    const uint64_t client = draw(clients);
    // Phases of growth and of shrinking.
    const bool erases = draw(10) < ((step / 1'000) % 2 == 0 ? 2u : 8u);
    if (!erases) {
      Set(&rows, client, static_cast<int64_t>(step));
      model[client] = static_cast<int64_t>(step);
    } else if (model.erase(client) > 0) {
      rows.Erase(ClientId(client));
    }
    if (draw(200) == 0) {
      copy = rows;
      copied = model;
    }
    RC_ASSERT(rows.size() == model.size());
    RC_ASSERT((rows.Find(ClientId(client)) != nullptr) ==
              model.contains(client));
  }
  RC_ASSERT(Contents(rows) == model);
  RC_ASSERT(Contents(copy) == copied);
  RC_ASSERT(rows.page_count() <= 4 * rows.size() / page_rows + 2);
  const uint64_t left = draw(rows.size() + 1);
  while (rows.size() > left) rows.EraseLast(1 + draw(rows.size() - left));
  while (model.size() > rows.size()) model.erase(std::prev(model.end()));
  RC_ASSERT(Contents(copy) == copied);
}

TEST(SessionRows_CopyOfManyRows, SharesAllButTheChangedPages) {
  constexpr uint64_t kRows = 60'000;
  SessionRows rows;
  for (uint64_t i = 0; i < kRows; ++i) Set(&rows, (i * 7'919) % kRows, 1);
  ASSERT_EQ(rows.size(), kRows);
  SessionRows copy = rows;
  EXPECT_EQ(rows.shared_page_count(), rows.page_count());
  Set(&rows, kRows / 2, 2);
  EXPECT_EQ(rows.shared_page_count(), rows.page_count() - 1);
  rows.Erase(ClientId(0));
  EXPECT_GE(rows.shared_page_count() + 3, rows.page_count());
  EXPECT_EQ((*copy.Find(ClientId(kRows / 2)))->expire_at_ms, 1);
  EXPECT_EQ((*rows.Find(ClientId(kRows / 2)))->expire_at_ms, 2);
  EXPECT_NE(copy.Find(ClientId(0)), nullptr);
  EXPECT_EQ(rows.Find(ClientId(0)), nullptr);
}

}  // namespace
}  // namespace quorate::kv
