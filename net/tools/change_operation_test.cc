#include "net/tools/change_operation.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace quorate::net {
namespace {

using Json = nlohmann::ordered_json;

TEST(FinishingCommand, IsTheWholeCommandWithTheOperation) {
  EXPECT_EQ(FinishingCommand({"quoratectl", "--address", "127.0.0.1:1,[::1]:2",
                              "node", "add", "--zone", "it's a"},
                             "a1"),
            "quoratectl --operation a1 --address '127.0.0.1:1,[::1]:2' node "
            "add --zone 'it'\\''s a'");
  EXPECT_EQ(FinishingCommand({"./quoratectl", "node", "--operation", "b", "add",
                              "--name", ""},
                             "b c"),
            "./quoratectl --operation 'b c' node add --name ''");
  EXPECT_EQ(FinishingCommand({"ctl", "rebalance", "--operation=b"}, "b"),
            "ctl --operation b rebalance");
}

TEST(ChangeOperation, NewOne_IsProposed_AndAnEarlierOneIsRepeated) {
  const ChangeOperation fresh("", {});
  const ChangeOperation other("", {});
  EXPECT_EQ(fresh.name().size(), 16u);
  EXPECT_NE(fresh.name(), other.name());
  EXPECT_EQ(fresh.Header(), "Quorate-Operation: " + fresh.name() + "\r\n");
  EXPECT_EQ(ChangeOperation("x", {}).Header(), "Idempotency-Key: x\r\n");
}

// The node may have gone on with an earlier operation.
TEST(ChangeOperation, Advice_HasTheOperationThatTheNodeNamed) {
  const ChangeOperation fresh("", {"quoratectl", "node", "add"});
  EXPECT_EQ(fresh.NameIn(Json()), fresh.name());
  EXPECT_EQ(fresh.NameIn(Json::parse(R"({"error":{"code":"c"}})")),
            fresh.name());
  const Json named = Json::parse(R"({"error":{"operation":"first"}})");
  EXPECT_EQ(fresh.NameIn(named), "first");
  EXPECT_EQ(fresh.Advice("first"),
            ". To finish it, at any node, type:\n"
            "  quoratectl --operation first node add");
  EXPECT_EQ(ChangeOperation("", {}).Advice("first"),
            ". To finish it, repeat it with the operation first");
  EXPECT_EQ(ChangeOperation().Header(), "");
  EXPECT_EQ(ChangeOperation().NameIn(Json()), "");
  EXPECT_EQ(ChangeOperation().Advice(""), ". Type the same command again");
}

}  // namespace
}  // namespace quorate::net
