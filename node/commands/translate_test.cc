#include "node/commands/translate.h"

#include <string>
#include <string_view>
#include <vector>

#include "gtest/gtest.h"
#include "kv/command/command.h"

namespace quorate::node {
namespace {

// A row without a translation would stop the node that a client sends it to.
TEST(Translate_EveryKeyCommand, MakesACommandOfTheStore) {
  size_t seen = 0;
  for (const CommandSpec& row : AllCommands()) {
    if (!IsKeyCommand(row)) continue;
    SCOPED_TRACE(std::string(row.name));
    const size_t count =
        static_cast<size_t>(row.arity < 0 ? -row.arity : row.arity);
    const std::vector<std::string_view> request(count, "7");
    Translated command;
    Translate(row, request, /*now_ms=*/1'000, LimitsConfig(), &command);
    EXPECT_EQ(command.error, "");
    kv::BatchBuilder batch;
    for (size_t i = 0; i < command.count; ++i) batch.Add(command.specs[i]);
    const Buffer payload = batch.Finish();
    kv::CommandReader reader(payload.view());
    ASSERT_TRUE(reader.ok());
    kv::CommandView view;
    while (!reader.done()) EXPECT_TRUE(reader.Next(&view));
    ++seen;
  }
  EXPECT_GT(seen, 30u);
}

}  // namespace
}  // namespace quorate::node
