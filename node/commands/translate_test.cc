#include "node/commands/translate.h"

#include <string>
#include <string_view>
#include <vector>

#include "gtest/gtest.h"
#include "kv/command/command.h"
#include "kv/slots/slot_strategy.h"

namespace quorate::node {
namespace {

TranslationRules RulesOf(const BoundsConfig& bounds) {
  static const auto slots = kv::MakeSlotStrategy({});
  return {.now_ms = 1'000, .bounds = bounds, .slots = *slots};
}

// Translate() must handle every row: the node would stop at a row without a
// translation.
TEST(Translate_EveryKeyCommand, MakesACommandOfTheStore) {
  size_t seen = 0;
  for (const CommandRow& row : AllCommands()) {
    if (!IsKeyCommand(row)) continue;
    SCOPED_TRACE(std::string(row.name));
    const size_t count =
        static_cast<size_t>(row.arity < 0 ? -row.arity : row.arity);
    const std::vector<std::string_view> request(count, "1");
    Translated command;
    const BoundsConfig bounds;
    Translate(row, request, RulesOf(bounds), &command);
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

std::string ErrorOf(const std::vector<std::string_view>& request,
                    const BoundsConfig& bounds) {
  const CommandLookup lookup = LookUp(request);
  EXPECT_NE(lookup.spec, nullptr) << request[0];
  Translated command;
  Translate(*lookup.spec, request, RulesOf(bounds), &command);
  return command.error;
}

// bounds.value_bytes does not apply to names, keys, options and numbers.
TEST(Translate_ValueBytes, ApplyToValuesOnly) {
  BoundsConfig bounds;
  bounds.value_bytes = 3;
  bounds.key_bytes = 6;
  using Request = std::vector<std::string_view>;
  for (const Request& request : std::vector<Request>{
           {"GET", "longer"},
           {"DEL", "longer", "longer"},
           {"INCRBYFLOAT", "longer", "1.000000"},
           {"SET", "longer", "123", "PXAT", "1995226041280"},
           {"PSETEX", "longer", "1995226041280", "123"},
           {"SETRANGE", "longer", "100000", "123"},
           {"GETRANGE", "longer", "100000", "100001"},
           {"INCRBY", "longer", "100000"},
           {"MSET", "longer", "123"},
           {"MEMORY", "USAGE", "longer", "SAMPLES", "10000"}}) {
    EXPECT_EQ(ErrorOf(request, bounds), "") << request[0];
  }
  for (const Request& request :
       std::vector<Request>{{"SET", "k", "1234"},
                            {"SETNX", "k", "1234"},
                            {"GETSET", "k", "1234"},
                            {"SETEX", "k", "1", "1234"},
                            {"PSETEX", "k", "1", "1234"},
                            {"APPEND", "k", "1234"},
                            {"SETRANGE", "k", "0", "1234"},
                            {"MSET", "k", "1", "{k}", "1234"},
                            {"MSETNX", "k", "1234", "{k}", "1"}}) {
    EXPECT_NE(ErrorOf(request, bounds).find("allowed size (3 bytes)"),
              std::string::npos)
        << request[0] << ": " << ErrorOf(request, bounds);
  }
  EXPECT_NE(ErrorOf({"GET", "longest"}, bounds).find("longer than 6 bytes"),
            std::string::npos);
}

}  // namespace
}  // namespace quorate::node
