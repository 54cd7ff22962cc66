// Shows the check of refusals the answers that it must report.
#include "sim/harness/wrong_requests.h"

#include <set>
#include <string_view>

#include "absl/status/status.h"
#include "gtest/gtest.h"

namespace quorate::sim {
namespace {

TEST(WrongRequests, AcceptedRequest_IsReported) {
  for (const WrongRequest& request : WrongRequests()) {
    EXPECT_NE(WrongAnswer(request, absl::OkStatus()), "") << request.what;
  }
}

TEST(WrongRequests, RefusalWithAnotherCode_IsReported) {
  size_t with_code = 0;
  for (const WrongRequest& request : WrongRequests()) {
    const absl::Status refusal = absl::DataLossError("why");
    EXPECT_EQ(WrongAnswer(request, refusal) != "", request.code.has_value())
        << request.what;
    with_code += request.code.has_value() ? 1 : 0;
  }
  EXPECT_GT(with_code, 5u);
}

TEST(WrongRequests, DocumentedRefusal_IsSilent) {
  for (const WrongRequest& request : WrongRequests()) {
    const auto code = request.code.value_or(absl::StatusCode::kUnavailable);
    EXPECT_EQ(WrongAnswer(request, absl::Status(code, "why")), "")
        << request.what;
  }
}

TEST(WrongRequests, EachHasAName) {
  std::set<std::string_view> names;
  for (const WrongRequest& request : WrongRequests()) {
    EXPECT_TRUE(names.insert(request.what).second) << request.what;
    EXPECT_NE(request.ask != nullptr, request.change != nullptr)
        << request.what;
  }
}

}  // namespace
}  // namespace quorate::sim
