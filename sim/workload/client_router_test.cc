#include "sim/workload/client_router.h"

#include <cstdint>
#include <set>

#include "gtest/gtest.h"

namespace quorate::sim {
namespace {

constexpr uint32_t kNodes = 4;

ClientOperation Append() {
  ClientOperation operation;
  operation.random = Random(7);
  operation.call.function = lincheck::Kv::kAppend;
  operation.call.key = "k";
  return operation;
}

std::set<uint32_t> NodesTried(ClientRouter& router,
                              const ClientOperation& operation) {
  std::set<uint32_t> nodes;
  for (uint64_t attempt = 1; attempt <= 100; ++attempt) {
    nodes.insert(router.Route(operation, attempt, MonoTime()));
  }
  return nodes;
}

TEST(ClientRouter, ReadOnlyNode_GetsReadsButNoWrites) {
  ClientRouter router(kNodes, /*stays_with_node=*/false, /*preferred=*/0);
  router.OnReadOnly(1);
  router.OnReadOnly(3);
  EXPECT_EQ(NodesTried(router, Append()), (std::set<uint32_t>{0, 2}));
  ClientOperation get = Append();
  get.call.function = lincheck::Kv::kGet;
  EXPECT_EQ(NodesTried(router, get).size(), kNodes);
}

TEST(ClientRouter, NodeThatFailed_IsAvoidedForATime) {
  ClientRouter router(kNodes, /*stays_with_node=*/true, /*preferred=*/2);
  router.OnFailed(2, MonoTime());
  EXPECT_EQ(NodesTried(router, Append()), std::set<uint32_t>{3});
  for (uint32_t node = 0; node < kNodes; ++node) {
    router.OnFailed(node, MonoTime());
  }
  // There is no better one.
  EXPECT_EQ(NodesTried(router, Append()).size(), 1u);
  EXPECT_EQ(router.Route(Append(), 1, MonoTime() + Seconds(10)), 3u);
}

TEST(ClientRouter, FirstNode_IsThatOfTheFirstAttemptOnly) {
  ClientRouter router(kNodes, /*stays_with_node=*/true, /*preferred=*/2);
  ClientOperation operation = Append();
  operation.first_node = 1;
  EXPECT_EQ(router.Route(operation, 1, MonoTime()), 1u);
  EXPECT_EQ(router.Route(operation, 2, MonoTime()), 2u);
}

}  // namespace
}  // namespace quorate::sim
